-- title: The largest contents
-- description: The contents of the largest known size, with their copies and the bytes that all of these take. Contents
--   without a known size are not among them; the report summary counts them.
-- param: limit integer 20 {1..}  how many to list
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT cid, size_bytes, copies, CAST(size_bytes AS DECIMAL(38, 0)) * copies AS copied_bytes
FROM contents
WHERE size_bytes IS NOT NULL
ORDER BY size_bytes DESC, cid, content
LIMIT $limit
