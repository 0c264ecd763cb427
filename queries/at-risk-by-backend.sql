-- title: What each backend alone holds
-- description: For each backend the contents that would be lost with it, because no other has a copy, and their bytes. The
--   row without a backend is of contents that no backend has a copy of any more.
-- chart: bar only_on contents
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MIN(backend_name) FILTER (WHERE status = 'stored') AS only_on,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    only_on,
    COUNT(*) AS contents,
    COALESCE(SUM(size_bytes), 0) AS bytes,
    COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
FROM contents
WHERE copies <= 1
GROUP BY only_on
ORDER BY contents DESC, only_on
