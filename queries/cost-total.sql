-- title: Cost per month of all backends
-- description: The sum of what the report cost tells, and beside it what is in no cost, stored on backends without a price or
--   of unknown size. Mappings whose CID is none are in neither.
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
contents AS (
    SELECT backend_name, content, MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE status = 'stored'
        AND content <> X''
    GROUP BY backend_name, content
),
billed AS (
    SELECT
        classes.backend_name,
        classes.storage_usd,
        classes.unit_bytes,
        COUNT(contents.content) AS contents,
        COALESCE(SUM(
            CAST(GREATEST(contents.size_bytes, COALESCE(classes.min_bytes, 0)) AS DECIMAL(38, 0))
            + COALESCE(classes.overhead_bytes, 0)
        ) FILTER (WHERE contents.size_bytes IS NOT NULL), 0) AS bytes,
        COUNT(contents.content) FILTER (WHERE contents.size_bytes IS NULL) AS unknown_sizes
    FROM classes
    LEFT JOIN contents ON contents.backend_name = classes.backend_name
    WHERE classes.state IN ('ready', 'empty')
    GROUP BY classes.backend_name, classes.storage_usd, classes.unit_bytes
)
SELECT
    COALESCE(SUM(CAST(bytes * storage_usd / unit_bytes AS DECIMAL(38, 6))), 0) AS month_usd,
    COUNT(storage_usd) AS priced_backends,
    COALESCE(SUM(bytes) FILTER (WHERE storage_usd IS NOT NULL), 0) AS priced_bytes,
    COALESCE(SUM(unknown_sizes) FILTER (WHERE storage_usd IS NOT NULL), 0) AS priced_unknown_sizes,
    COUNT(*) FILTER (WHERE storage_usd IS NULL) AS unpriced_backends,
    COALESCE(SUM(bytes) FILTER (WHERE storage_usd IS NULL), 0) AS unpriced_bytes,
    COALESCE(SUM(unknown_sizes) FILTER (WHERE storage_usd IS NULL), 0) AS unpriced_unknown_sizes
FROM billed
