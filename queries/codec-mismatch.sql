-- title: Contents under more than one codec
-- description: A raw and a dag-pb CID of one multihash are two pins of one content, and what a backend keeps under the one
--   may be only the first block of the other. Each codec of such a content is a row, with the backends that have a copy
--   under it.
WITH mixed AS (  -- found first: there are few
    SELECT content, MIN(cid) AS first_cid
    FROM pins
    WHERE content <> X''
    GROUP BY content
    HAVING MIN(CID_CODEC(cid)) <> MAX(CID_CODEC(cid))
)
SELECT
    mixed.first_cid AS content_cid,
    CID_CODEC(pins.cid) AS codec,
    MIN(pins.cid) AS cid,
    COUNT(*) AS mappings,
    COUNT(DISTINCT pins.backend_name) FILTER (WHERE pins.status = 'stored') AS copies,
    ARRAY_TO_STRING(
        ARRAY_SORT(ARRAY_AGG(DISTINCT pins.backend_name) FILTER (WHERE pins.status = 'stored')), ', '
    ) AS stored_on
FROM mixed
JOIN pins ON pins.content = mixed.content
GROUP BY mixed.content, mixed.first_cid, CID_CODEC(pins.cid)
ORDER BY content_cid, codec
