-- title: The cheapest backends for a repair
-- description: Where one more copy could go of each content that has a copy and fewer than it should have: for each backend,
--   the cheapest storage first, the contents that are not stored there yet, their bytes, what keeping them costs in a month
--   and storing them once. What reading the sources costs is in the report cost-of-copy. Contents of unknown size are
--   counted apart and in no cost of storage.
-- chart: bar backend_name month_usd
-- param: min_copies integer 2 {1..}  copies every content should have
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
short AS (
    SELECT
        MAX(size_bytes) AS size_bytes,
        ARRAY_AGG(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS holders
    FROM pins
    WHERE content <> X''
    GROUP BY content
    HAVING COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') < $min_copies
        AND COUNT(*) FILTER (WHERE status = 'stored') > 0
),
there AS (
    SELECT UNNEST(holders) AS backend_name, size_bytes
    FROM short
),
rates AS (
    SELECT DISTINCT COALESCE(min_bytes, 0) AS min_bytes, COALESCE(overhead_bytes, 0) AS overhead_bytes
    FROM classes
),
everything AS (  -- at each rate; less what is there: a list of what is not would be long
    SELECT
        rates.min_bytes,
        rates.overhead_bytes,
        COUNT(*) AS contents,
        COALESCE(SUM(CAST(short.size_bytes AS DECIMAL(38, 0))), 0) AS bytes,
        COUNT(*) FILTER (WHERE short.size_bytes IS NULL) AS unknown_sizes,
        COALESCE(SUM(
            CAST(GREATEST(short.size_bytes, rates.min_bytes) AS DECIMAL(38, 0)) + rates.overhead_bytes
        ) FILTER (WHERE short.size_bytes IS NOT NULL), 0) AS billed_bytes
    FROM rates
    CROSS JOIN short
    GROUP BY rates.min_bytes, rates.overhead_bytes
),
kept AS (
    SELECT
        classes.backend_name,
        COUNT(*) AS contents,
        COALESCE(SUM(CAST(there.size_bytes AS DECIMAL(38, 0))), 0) AS bytes,
        COUNT(*) FILTER (WHERE there.size_bytes IS NULL) AS unknown_sizes,
        COALESCE(SUM(
            CAST(GREATEST(there.size_bytes, COALESCE(classes.min_bytes, 0)) AS DECIMAL(38, 0))
            + COALESCE(classes.overhead_bytes, 0)
        ) FILTER (WHERE there.size_bytes IS NOT NULL), 0) AS billed_bytes
    FROM there
    JOIN classes ON classes.backend_name = there.backend_name
    GROUP BY classes.backend_name
),
sums AS (
    SELECT
        classes.backend_name,
        everything.contents - COALESCE(kept.contents, 0) AS contents,
        everything.bytes - COALESCE(kept.bytes, 0) AS bytes,
        everything.unknown_sizes - COALESCE(kept.unknown_sizes, 0) AS unknown_sizes,
        everything.billed_bytes - COALESCE(kept.billed_bytes, 0) AS billed_bytes
    FROM classes
    JOIN everything
        ON everything.min_bytes = COALESCE(classes.min_bytes, 0)
        AND everything.overhead_bytes = COALESCE(classes.overhead_bytes, 0)
    LEFT JOIN kept ON kept.backend_name = classes.backend_name
)
SELECT
    classes.backend_name,
    COALESCE(classes.class, 'unpriced') AS price_class,
    CAST(1000000000000 * classes.storage_usd / classes.unit_bytes AS DECIMAL(38, 6)) AS terabyte_month_usd,
    COALESCE(sums.contents, 0) AS contents,
    COALESCE(sums.bytes, 0) AS bytes,
    COALESCE(sums.unknown_sizes, 0) AS unknown_sizes,
    CAST(COALESCE(sums.billed_bytes, 0) * classes.storage_usd / classes.unit_bytes AS DECIMAL(38, 6)) AS month_usd,
    CAST(COALESCE(sums.contents, 0) * classes.put_usd / 1000 AS DECIMAL(38, 6)) AS put_usd,
    classes.confidence
FROM classes
LEFT JOIN sums ON sums.backend_name = classes.backend_name
WHERE classes.state IN ('ready', 'empty')
ORDER BY terabyte_month_usd NULLS LAST, classes.backend_name
