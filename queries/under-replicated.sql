-- title: Under-replicated contents
-- description: Contents with fewer copies than they should have, the fewest first, with the backends that have one and
--   those that were asked to and have none.
-- param: min_copies integer 2  copies every content should have
WITH contents AS (  -- in one pass: to find them first and then look for their backends would read all pins twice
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COALESCE(ARRAY_AGG(DISTINCT backend_name) FILTER (WHERE status = 'stored'), []) AS stored,
        ARRAY_AGG(DISTINCT backend_name) FILTER (WHERE status <> 'stored') AS others,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    cid,
    copies,
    NULLIF(ARRAY_TO_STRING(ARRAY_SORT(stored), ', '), '') AS stored_on,
    NULLIF(ARRAY_TO_STRING(ARRAY_SORT(ARRAY_EXCEPT(others, stored)), ', '), '') AS not_stored_on,
    size_bytes
FROM contents
WHERE copies < $min_copies
ORDER BY copies, cid, content
