-- title: Where a content is
-- description: Every mapping of what a CID names, in whatever spelling each backend wrote it. A codec other than the
--   one asked for names the same bytes and may mean only the first block of them.
-- param: cid cid  the CID to look for, in any version and base
SELECT
    backend_name,
    status,
    cid,
    CASE WHEN cid_codec(cid) = cid_codec($cid) THEN 'same' ELSE cid_codec(cid) END AS codec,
    car_file_path,
    created_at,
    size_bytes
FROM pins
WHERE content = cid_content($cid)
ORDER BY (status = 'stored') DESC, backend_name, cid, created_at, status, car_file_path, size_bytes
