-- title: Balance across backends
-- description: Each backend's share of all stored mappings and of their bytes, and how many times the average of all listed
--   backends that is. Bytes are those of known size; the others are counted apart. Backends that are only a backup or the
--   older format, or that cannot be read, are not listed.
-- chart: bar backend_name stored_percent bytes_percent
WITH mappings AS (
    SELECT
        backend_name,
        COUNT(*) AS stored,
        SUM(size_bytes) AS bytes,
        COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
    FROM pins
    WHERE status = 'stored'
    GROUP BY backend_name
),
listed AS (
    SELECT
        backends.name AS backend_name,
        COALESCE(mappings.stored, 0) AS stored,
        COALESCE(mappings.bytes, 0) AS bytes,
        COALESCE(mappings.unknown_sizes, 0) AS unknown_sizes
    FROM backends
    LEFT JOIN mappings ON mappings.backend_name = backends.name
    WHERE backends.state IN ('ready', 'empty')
)
SELECT
    backend_name,
    stored,
    ROUND(100.0 * stored / NULLIF(CAST(SUM(stored) OVER () AS DOUBLE), 0), 1) AS stored_percent,
    ROUND(1.0 * stored * COUNT(*) OVER () / NULLIF(CAST(SUM(stored) OVER () AS DOUBLE), 0), 2) AS stored_skew,
    bytes,
    ROUND(100.0 * CAST(bytes AS DOUBLE) / NULLIF(CAST(SUM(bytes) OVER () AS DOUBLE), 0), 1) AS bytes_percent,
    ROUND(CAST(bytes AS DOUBLE) * COUNT(*) OVER () / NULLIF(CAST(SUM(bytes) OVER () AS DOUBLE), 0), 2) AS bytes_skew,
    unknown_sizes
FROM listed
ORDER BY stored DESC, backend_name
