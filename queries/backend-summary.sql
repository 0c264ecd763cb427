-- title: Each backend at a glance
-- description: State, mappings by status, contents, bytes and times of every backend, those without mappings included;
--   NULL where there is no file that can be read. Bytes are those of stored mappings whose size is known; the others are
--   counted apart.
WITH mappings AS (
    SELECT
        backend_name,
        COUNT(*) FILTER (WHERE status = 'stored') AS stored,
        COUNT(*) FILTER (WHERE status = 'pending') AS pending,
        COUNT(*) FILTER (WHERE status = 'failed') AS failed,
        COUNT(*) FILTER (WHERE status NOT IN ('stored', 'pending', 'failed')) AS other_status,
        SUM(size_bytes) FILTER (WHERE status = 'stored') AS stored_bytes,
        COUNT(*) FILTER (WHERE status = 'stored' AND size_bytes IS NULL) AS unknown_sizes,
        MIN(created_at) AS oldest,
        MAX(created_at) AS newest
    FROM pins
    GROUP BY backend_name
),
contents AS (  -- grouped first: a count of distinct contents would hold all those of a backend in memory
    SELECT backend_name, COUNT(*) AS contents
    FROM (SELECT DISTINCT backend_name, content FROM pins WHERE content <> X'')
    GROUP BY backend_name
)
SELECT
    backends.name AS backend_name,
    backends.type,
    backends.state,
    backends.rows AS pins,
    COALESCE(mappings.stored, backends.rows * 0) AS stored,
    COALESCE(mappings.pending, backends.rows * 0) AS pending,
    COALESCE(mappings.failed, backends.rows * 0) AS failed,
    COALESCE(mappings.other_status, backends.rows * 0) AS other_status,
    COALESCE(contents.contents, backends.rows * 0) AS contents,
    mappings.stored_bytes,
    COALESCE(mappings.unknown_sizes, backends.rows * 0) AS unknown_sizes,
    mappings.oldest,
    mappings.newest
FROM backends
LEFT JOIN mappings ON mappings.backend_name = backends.name
LEFT JOIN contents ON contents.backend_name = backends.name
ORDER BY backends.name
