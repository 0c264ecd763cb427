-- title: Contents that one failure would lose
-- description: Contents with no copy, or with a single one and the backend that has it. What stands elsewhere without
--   being stored is no copy.
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MIN(backend_name) FILTER (WHERE status = 'stored') AS only_on,
        COUNT(*) FILTER (WHERE status = 'pending') AS pending,
        COUNT(*) FILTER (WHERE status = 'failed') AS failed,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT cid, copies, only_on, pending, failed, size_bytes
FROM contents
WHERE copies <= 1
ORDER BY copies, only_on, cid, content
