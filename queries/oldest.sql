-- title: The oldest mappings
-- description: The mappings that were made first, with their age in days at a given time. Those of unknown time are not
--   among them; the report summary counts them.
-- param: limit integer 20 {1..}  how many to list
-- param: as_of timestamp now  the time from which the age is counted
SELECT
    backend_name,
    cid,
    created_at,
    ROUND((DATE_PART('epoch', $as_of) - DATE_PART('epoch', created_at)) / 86400, 1) AS age_days,
    status,
    size_bytes,
    car_file_path
FROM pins
WHERE created_at IS NOT NULL
ORDER BY created_at, backend_name, cid, status, size_bytes, car_file_path
LIMIT $limit
