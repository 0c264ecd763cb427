-- title: Contents under more than one codec
-- description: A raw and a dag-pb CID of one multihash are two pins of one content, and what a backend keeps under the one
--   may be only the first block of the other. Each codec of such a content is a row, with the backends that have a copy
--   under it.
WITH mixed AS (
    SELECT content, MIN(cid) AS first_cid
    FROM pins
    WHERE content <> X''
    GROUP BY content
    HAVING MIN(CID_CODEC(cid)) <> MAX(CID_CODEC(cid))
),
pins_of AS (
    SELECT
        mixed.content,
        mixed.first_cid,
        CID_CODEC(pins.cid) AS codec,
        pins.backend_name,
        MIN(pins.cid) AS cid,
        COUNT(*) AS mappings,
        BOOL_OR(pins.status = 'stored') AS is_copy
    FROM mixed
    JOIN pins ON pins.content = mixed.content
    GROUP BY mixed.content, mixed.first_cid, codec, pins.backend_name
)
SELECT
    first_cid AS content_cid,
    codec,
    MIN(cid) AS cid,
    SUM(mappings) AS mappings,
    COUNT(*) FILTER (WHERE is_copy) AS copies,
    ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(backend_name) FILTER (WHERE is_copy)), ', ') AS stored_on
FROM pins_of
GROUP BY content, first_cid, codec
ORDER BY first_cid, codec
