-- title: Pins that a backend lists more than once
-- description: Mappings of one backend whose CIDs agree in codec and multihash are one pin, however they are spelled. Here
--   are those of more than one mapping, with the spellings and the states.
SELECT
    backend_name,
    MIN(cid) AS cid,
    COUNT(*) AS mappings,
    COUNT(DISTINCT cid) AS spellings,
    COUNT(*) FILTER (WHERE status = 'stored') AS stored,
    COUNT(*) FILTER (WHERE status = 'pending') AS pending,
    COUNT(*) FILTER (WHERE status = 'failed') AS failed,
    COUNT(*) FILTER (WHERE status NOT IN ('stored', 'pending', 'failed')) AS other_status,
    MIN(created_at) AS oldest,
    MAX(created_at) AS newest
FROM pins
WHERE content <> X''
GROUP BY backend_name, content, CID_CODEC(cid)
HAVING COUNT(*) > 1
ORDER BY backend_name, cid
