-- title: Contents whose mappings disagree
-- description: Contents that are in more than one state, on several backends or on one that lists them more than once, with
--   the mappings in each state. Those with the fewest copies come first.
WITH contents AS (
    SELECT
        content,
        MIN(cid) AS cid,
        COUNT(DISTINCT backend_name) AS backends,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COUNT(*) FILTER (WHERE status = 'stored') AS stored,
        COUNT(*) FILTER (WHERE status = 'pending') AS pending,
        COUNT(*) FILTER (WHERE status = 'failed') AS failed,
        COUNT(*) FILTER (WHERE status NOT IN ('stored', 'pending', 'failed')) AS other_status,
        MIN(status) AS one_status,
        MAX(status) AS another_status
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT cid, copies, backends, stored, pending, failed, other_status
FROM contents
WHERE one_status <> another_status
ORDER BY copies, cid, content
