-- title: What a copy of a content costs on each backend
-- description: For each backend, the cheapest first, what keeping a content there costs in a month, what storing it costs
--   once, and what reading it out would; and whether there is a copy already. NULL is unpriced or, if the content's size is
--   unknown, unknown.
-- param: cid cid  the content, by a CID in any version and base
WITH classes AS (  -- the price of each backend, by its name or else by its type
    SELECT
        backends.name AS backend_name,
        backends.type,
        backends.state,
        prices.*
    FROM backends
    LEFT JOIN price_classes AS by_name ON by_name.backend_name = backends.name
    LEFT JOIN price_classes AS by_type ON by_type.type = backends.type
    LEFT JOIN prices ON prices.class = COALESCE(by_name.class, by_type.class)
),
content AS (
    SELECT MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content = CID_CONTENT($cid)
),
copies AS (
    SELECT DISTINCT backend_name
    FROM pins
    WHERE content = CID_CONTENT($cid)
        AND status = 'stored'
)
SELECT
    classes.backend_name,
    COALESCE(classes.class, 'unpriced') AS price_class,
    copies.backend_name IS NOT NULL AS has_copy,
    content.size_bytes,
    CAST(
        CASE WHEN content.size_bytes IS NOT NULL THEN
            CAST(GREATEST(content.size_bytes, classes.min_bytes) AS DECIMAL(38, 0)) + classes.overhead_bytes
        END * classes.storage_usd / classes.unit_bytes AS DECIMAL(38, 12)
    ) AS month_usd,
    CAST(classes.put_usd / 1000 AS DECIMAL(38, 12)) AS put_usd,
    CAST(
        CAST(content.size_bytes AS DECIMAL(38, 0)) * classes.egress_usd / classes.unit_bytes + classes.get_usd / 1000 AS DECIMAL(38, 12)
    ) AS read_usd,
    classes.confidence
FROM classes
CROSS JOIN content
LEFT JOIN copies ON copies.backend_name = classes.backend_name
WHERE classes.state IN ('ready', 'empty')
ORDER BY month_usd NULLS LAST, classes.backend_name
