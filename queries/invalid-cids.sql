-- title: Mappings whose CID is none
-- description: Mappings with a text in the place of the CID that names nothing. They are in no count of contents or copies.
SELECT
    backend_name,
    cid,
    status,
    created_at,
    size_bytes,
    car_file_path
FROM pins
WHERE content = X''
ORDER BY backend_name, cid, status, created_at, size_bytes, car_file_path
