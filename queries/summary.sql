-- title: Summary of all backends
-- description: Totals over all backends. Only a stored mapping is a copy; a content is what a valid CID names. Bytes are
--   those of contents, each counted once; contents without a known size are counted apart.
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
),
of_contents AS (
    SELECT
        COUNT(*) AS unique_contents,
        ROUND(AVG(copies), 2) AS average_redundancy,
        COUNT(*) FILTER (WHERE copies = 0) AS without_copy,
        COUNT(*) FILTER (WHERE copies = 1) AS with_one_copy,
        COALESCE(SUM(size_bytes), 0) AS unique_bytes,
        COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
    FROM contents
),
of_pins AS (
    SELECT
        COUNT(*) AS pins,
        COUNT(DISTINCT backend_name) AS backends_with_pins,
        COUNT(*) FILTER (WHERE status = 'stored') AS stored,
        COUNT(*) FILTER (WHERE status = 'pending') AS pending,
        COUNT(*) FILTER (WHERE status = 'failed') AS failed,
        COUNT(*) FILTER (WHERE status NOT IN ('stored', 'pending', 'failed')) AS other_status,
        COUNT(*) FILTER (WHERE content = X'') AS invalid_cids,
        COUNT(*) FILTER (WHERE recorded_backend_name <> backend_name) AS foreign_backend_names,
        MIN(created_at) AS oldest,
        MAX(created_at) AS newest,
        COUNT(*) FILTER (WHERE created_at IS NULL) AS unknown_times
    FROM records
),
of_backends AS (
    SELECT
        COUNT(*) AS backends,
        COUNT(*) FILTER (WHERE state = 'legacy') AS not_migrated,
        COUNT(*) FILTER (WHERE state = 'unreadable') AS unreadable
    FROM backends
)
SELECT
    pins,
    backends,
    backends_with_pins,
    not_migrated,
    unreadable,
    unique_contents,
    average_redundancy,
    without_copy,
    with_one_copy,
    stored,
    pending,
    failed,
    other_status,
    invalid_cids,
    foreign_backend_names,
    unique_bytes,
    unknown_sizes,
    oldest,
    newest,
    unknown_times
FROM of_pins
CROSS JOIN of_contents
CROSS JOIN of_backends
