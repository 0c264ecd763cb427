-- title: Contents that fail again and again
-- description: Contents with several failed mappings, on one backend or on many, the most first, and the copies that they
--   have.
-- param: min_failures integer 2 {1..}  failed mappings from which a content is listed
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(*) FILTER (WHERE status = 'failed') AS failures,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'failed') AS backends,
        MIN(created_at) FILTER (WHERE status = 'failed') AS first_failure,
        MAX(created_at) FILTER (WHERE status = 'failed') AS last_failure,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT cid, failures, backends, first_failure, last_failure, copies, size_bytes
FROM contents
WHERE failures >= $min_failures
ORDER BY failures DESC, cid, content
