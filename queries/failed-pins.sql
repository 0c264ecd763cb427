-- title: Failed pins
-- description: Mappings whose backend does not keep the content, the newest first, with the reason that their metadata
--   gives and the copies that the content has.
WITH copies AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    pins.backend_name,
    pins.cid,
    pins.created_at,
    COALESCE(
        pins.metadata ->> 'error',
        pins.metadata ->> 'reason',
        pins.metadata ->> 'status_details',
        pins.metadata -> 'metadata' ->> 'error'
    ) AS reason,
    COALESCE(copies.copies, 0) AS copies,
    pins.size_bytes
FROM pins
LEFT JOIN copies ON copies.content = pins.content
WHERE pins.status = 'failed'
ORDER BY pins.created_at DESC NULLS LAST, pins.backend_name, pins.cid, reason, pins.size_bytes
