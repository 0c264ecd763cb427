-- title: Over-replicated contents
-- description: Contents with more copies than they need, the most first, with the backends that have one and the bytes
--   that the surplus takes.
-- param: max_copies integer 3 {0..}  copies that are enough
WITH ample AS (  -- found first, so that names are collected for these few only
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies
    FROM pins
    WHERE content <> X''
    GROUP BY content
    HAVING COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') > $max_copies
),
backends_of AS (
    SELECT
        ample.content,
        ample.copies,
        pins.backend_name,
        MIN(pins.cid) AS cid,
        MAX(pins.size_bytes) AS size_bytes,
        BOOL_OR(pins.status = 'stored') AS is_copy
    FROM ample
    JOIN pins ON pins.content = ample.content
    GROUP BY ample.content, ample.copies, pins.backend_name
)
SELECT
    MIN(cid) AS cid,
    copies,
    ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE is_copy)), ', ') AS stored_on,
    MAX(size_bytes) AS size_bytes,
    CAST(MAX(size_bytes) AS DECIMAL(38, 0)) * (copies - $max_copies) AS surplus_bytes
FROM backends_of
GROUP BY content, copies
ORDER BY copies DESC, cid, content
