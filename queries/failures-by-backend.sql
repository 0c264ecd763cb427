-- title: Failure rate of each backend
-- description: How many of a backend's mappings have failed or are pending, the highest share of failures first, and how
--   many of the failed ones are of a content that has no copy anywhere.
-- chart: bar backend_name failed_percent
WITH copies AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies
    FROM pins
    WHERE content <> X''
    GROUP BY content
),
lost AS (  -- only failed mappings are joined: there are few
    SELECT pins.backend_name, COUNT(*) AS failed_without_copy
    FROM pins
    JOIN copies ON copies.content = pins.content
    WHERE pins.status = 'failed'
        AND copies.copies = 0
    GROUP BY pins.backend_name
),
mappings AS (
    SELECT
        backend_name,
        COUNT(*) AS pins,
        COUNT(*) FILTER (WHERE status = 'failed') AS failed,
        COUNT(*) FILTER (WHERE status = 'pending') AS pending,
        MAX(created_at) FILTER (WHERE status = 'failed') AS newest_failure
    FROM pins
    GROUP BY backend_name
)
SELECT
    mappings.backend_name,
    mappings.pins,
    mappings.failed,
    ROUND(100.0 * mappings.failed / mappings.pins, 1) AS failed_percent,
    mappings.pending,
    COALESCE(lost.failed_without_copy, 0) AS failed_without_copy,
    mappings.newest_failure
FROM mappings
LEFT JOIN lost ON lost.backend_name = mappings.backend_name
ORDER BY 1.0 * mappings.failed / mappings.pins DESC, mappings.failed DESC, mappings.backend_name
