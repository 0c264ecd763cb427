-- title: Under-replicated contents
-- description: Contents with fewer copies than they should have, the fewest first, with the backends that have one and
--   those that were asked to and have none.
-- param: min_copies integer 2  copies every content should have
WITH short AS (  -- found first, so that names are collected for these few only
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies
    FROM pins
    WHERE content <> X''
    GROUP BY content
    HAVING COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') < $min_copies
),
backends_of AS (  -- one row for each content and backend: a repeat that is stored makes up for one that failed
    SELECT
        short.content,
        short.copies,
        pins.backend_name,
        MIN(pins.cid) AS cid,
        MAX(pins.size_bytes) AS size_bytes,
        BOOL_OR(pins.status = 'stored') AS is_copy
    FROM short
    JOIN pins ON pins.content = short.content
    GROUP BY short.content, short.copies, pins.backend_name
)
SELECT
    MIN(cid) AS cid,
    copies,
    ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE is_copy)), ', ') AS stored_on,
    ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE NOT is_copy)), ', ') AS not_stored_on,
    MAX(size_bytes) AS size_bytes
FROM backends_of
GROUP BY content, copies
ORDER BY copies, cid, content
