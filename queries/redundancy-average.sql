-- title: Average number of copies
-- description: How many copies contents have on average, each content counting once, and by bytes: the bytes of all copies
--   to those of all contents, of those whose size is known; the others are counted apart.
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
),
totals AS (
    SELECT
        COUNT(*) AS contents,
        COALESCE(SUM(copies), 0) AS copies,
        MIN(copies) AS fewest,
        MAX(copies) AS most,
        COALESCE(SUM(size_bytes), 0) AS unique_bytes,
        COALESCE(SUM(CAST(size_bytes AS DECIMAL(38, 0)) * copies), 0) AS copied_bytes,
        COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
    FROM contents
)
SELECT
    contents,
    copies,
    ROUND(CAST(copies AS DOUBLE) / NULLIF(contents, 0), 2) AS average_copies,
    fewest,
    most,
    unique_bytes,
    copied_bytes,
    ROUND(CAST(copied_bytes AS DOUBLE) / CAST(NULLIF(unique_bytes, 0) AS DOUBLE), 2) AS average_by_bytes,
    unknown_sizes
FROM totals
