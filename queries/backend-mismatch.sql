-- title: Mappings that name another backend
-- description: The directory decides which backend a mapping is of. Here are those whose file says another one, by the name
--   that it says, with the first of the CIDs.
SELECT
    backend_name,
    recorded_backend_name,
    COUNT(*) AS pins,
    MIN(cid) AS first_cid
FROM records
WHERE recorded_backend_name <> backend_name
GROUP BY backend_name, recorded_backend_name
ORDER BY backend_name, pins DESC, recorded_backend_name
