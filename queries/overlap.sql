-- title: Contents that backends share
-- description: For every two backends how many contents both have a copy of, and how much that is of what the first has. A
--   backend with itself gives all that it has. Pairs that share nothing are left out.
-- chart: matrix backend_name other_backend percent
WITH copies AS (
    SELECT content, ARRAY_SORT(ARRAY_AGG(DISTINCT backend_name)) AS holders
    FROM pins
    WHERE status = 'stored'
        AND content <> X''
    GROUP BY content
),
groups AS (  -- few: backends that hold the same contents hold many
    SELECT holders, COUNT(*) AS contents
    FROM copies
    GROUP BY holders
),
holdings AS (
    SELECT UNNEST(holders) AS backend_name, holders, contents
    FROM groups
),
pairs AS (
    SELECT backend_name, UNNEST(holders) AS other_backend, contents
    FROM holdings
),
shares AS (
    SELECT backend_name, other_backend, CAST(SUM(contents) AS BIGINT) AS shared
    FROM pairs
    GROUP BY backend_name, other_backend
)
SELECT
    shares.backend_name,
    shares.other_backend,
    shares.shared,
    ROUND(100.0 * shares.shared / own.shared, 1) AS percent
FROM shares
JOIN shares AS own ON own.backend_name = shares.backend_name
    AND own.other_backend = shares.backend_name
ORDER BY shares.backend_name, shares.other_backend
