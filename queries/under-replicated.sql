-- title: Under-replicated contents
-- description: Contents with fewer copies than they should have, the fewest first, with the backends that have one and
--   those that were asked to and have none.
-- param: min_copies integer 2  copies every content should have
WITH backends_of AS (  -- one row for each content and backend: a repeat that is stored makes up for one that failed
    SELECT
        content,
        backend_name,
        MIN(cid) AS cid,
        MAX(size_bytes) AS size_bytes,
        BOOL_OR(status = 'stored') AS is_copy
    FROM pins
    WHERE content <> X''
    GROUP BY content, backend_name
),
contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(*) FILTER (WHERE is_copy) AS copies,
        ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE is_copy)), ', ') AS stored_on,
        ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE NOT is_copy)), ', ') AS not_stored_on,
        MAX(size_bytes) AS size_bytes
    FROM backends_of
    GROUP BY content
)
SELECT cid, copies, stored_on, not_stored_on, size_bytes
FROM contents
WHERE copies < $min_copies
ORDER BY copies, cid, content
