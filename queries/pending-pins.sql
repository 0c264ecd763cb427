-- title: Pending pins
-- description: Mappings whose backend means to keep the content and does not yet, the oldest first, with their age in
--   days at a given time and the copies that the content has.
-- param: as_of timestamp now  the time from which the age is counted
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
    COALESCE(copies.copies, 0) AS copies,
    pins.size_bytes
FROM pins
LEFT JOIN copies ON copies.content = pins.content
WHERE pins.status = 'pending'
ORDER BY pins.created_at NULLS FIRST, pins.backend_name, pins.cid, pins.size_bytes
