-- title: Contents that one backend lacks
-- description: Contents that other backends have a copy of and this one has not, with what this one says of them, and all
--   copies that there are.
-- param: backend backend  the backend that lacks them
-- param: against backend[] ''  the backends that have them; any other if there is none
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COUNT(*) FILTER (
            WHERE status = 'stored'
                AND backend_name <> $backend
                AND (CARDINALITY($against) = 0 OR ARRAY_HAS($against, backend_name))
        ) AS there,
        COUNT(*) FILTER (WHERE backend_name = $backend AND status = 'stored') AS here,
        COUNT(*) FILTER (WHERE backend_name = $backend AND status = 'pending') AS pending,
        COUNT(*) FILTER (WHERE backend_name = $backend AND status = 'failed') AS failed,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT cid, copies, pending, failed, size_bytes
FROM contents
WHERE here = 0
    AND there > 0
ORDER BY copies, cid, content
