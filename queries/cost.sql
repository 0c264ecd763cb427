-- title: Cost per month of each backend
-- description: What is stored, billed once for each content that a backend has, at the price of the backend's class: by its
--   name or its type in the table of prices (see the report prices). A backend without a class is unpriced, and its cost
--   NULL. Contents of unknown size are counted apart and in no cost. Free allowances, bills' minimums and tiers are not
--   counted.
-- chart: bar backend_name month_usd
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
        COUNT(*) AS contents,
        COALESCE(SUM(
            CAST(GREATEST(contents.size_bytes, COALESCE(classes.min_bytes, 0)) AS DECIMAL(38, 0))
            + COALESCE(classes.overhead_bytes, 0)
        ) FILTER (WHERE contents.size_bytes IS NOT NULL), 0) AS bytes,
        COUNT(*) FILTER (WHERE contents.size_bytes IS NULL) AS unknown_sizes
    FROM contents
    JOIN classes ON classes.backend_name = contents.backend_name
    GROUP BY classes.backend_name
)
SELECT
    classes.backend_name,
    classes.type,
    COALESCE(classes.class, 'unpriced') AS price_class,
    COALESCE(billed.contents, 0) AS contents,
    COALESCE(billed.bytes, 0) AS billed_bytes,
    COALESCE(billed.unknown_sizes, 0) AS unknown_sizes,
    CAST(COALESCE(billed.bytes, 0) * classes.storage_usd / classes.unit_bytes AS DECIMAL(38, 6)) AS month_usd,
    classes.as_of,
    classes.confidence
FROM classes
LEFT JOIN billed ON billed.backend_name = classes.backend_name
WHERE classes.state IN ('ready', 'empty')
ORDER BY month_usd DESC NULLS LAST, classes.backend_name
