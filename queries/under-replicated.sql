-- title: Under-replicated contents
-- description: Contents with fewer copies than they should have, the fewest first, with the backends that have one and
--   those that were asked to and have none.
-- param: min_copies integer 2  copies every content should have
WITH mappings AS (
    SELECT
        content,
        cid,
        size_bytes,
        CASE WHEN status = 'stored' THEN backend_name END AS stored_on,
        CASE WHEN status <> 'stored' THEN backend_name END AS asked_of
    FROM pins
    WHERE content <> X''
),
contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT stored_on) AS copies,
        ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT stored_on) FILTER (WHERE stored_on IS NOT NULL)), ', ') AS stored_on,
        ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT asked_of) FILTER (WHERE asked_of IS NOT NULL)), ', ') AS not_stored_on,
        MAX(size_bytes) AS size_bytes
    FROM mappings
    GROUP BY content
)
SELECT cid, copies, stored_on, not_stored_on, size_bytes
FROM contents
WHERE copies < $min_copies
ORDER BY copies, cid, content
