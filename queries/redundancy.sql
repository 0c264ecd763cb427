-- title: Contents by number of copies
-- description: How many contents have no copy, one, two, and so on, and their bytes. A copy is a backend with a stored
--   mapping of the content. Bytes are those of contents whose size is known; the others are counted apart.
-- chart: bar copies contents
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    copies,
    COUNT(*) AS contents,
    ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    COALESCE(SUM(size_bytes), 0) AS bytes,
    COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
FROM contents
GROUP BY copies
ORDER BY copies
