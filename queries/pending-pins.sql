-- title: Pending pins
-- description: Mappings whose backend means to keep the content and does not yet, the oldest first, with their age in
--   days at a given time, the reason that their metadata gives, and the copies that the content has.
-- param: backends backend[] ''  only those of these backends
-- param: as_of timestamp now  the time from which the age is counted
-- param: older_than interval 0d  only those that are at least so old, and those of unknown age
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
    ROUND((DATE_PART('epoch', $as_of) - DATE_PART('epoch', pins.created_at)) / 86400, 1) AS age_days,
    METADATA_REASON(pins.metadata) AS reason,
    COALESCE(copies.copies, 0) AS copies,
    pins.size_bytes
FROM pins
LEFT JOIN copies ON copies.content = pins.content
WHERE pins.status = 'pending'
    AND (CARDINALITY($backends) = 0 OR ARRAY_HAS($backends, pins.backend_name))
    AND ($older_than = INTERVAL '0 days' OR pins.created_at IS NULL OR pins.created_at <= $as_of - $older_than)
ORDER BY pins.created_at NULLS FIRST, pins.backend_name, pins.cid, reason, pins.size_bytes
