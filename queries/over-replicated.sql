-- title: Over-replicated contents
-- description: Contents with more copies than they need, the most first, with the backends that have one and the bytes
--   that the surplus takes.
-- param: max_copies integer 3 {0..}  copies that are enough
WITH contents AS (  -- in one pass: to find them first and then look for their backends would read all pins twice
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        ARRAY_AGG(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS stored,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    cid,
    copies,
    ARRAY_TO_STRING(ARRAY_SORT(stored), ', ') AS stored_on,
    size_bytes,
    CAST(size_bytes AS DECIMAL(38, 0)) * (copies - $max_copies) AS surplus_bytes
FROM contents
WHERE copies > $max_copies
ORDER BY copies DESC, cid, content
