-- title: Contents that backends share
-- description: For every two backends how many contents both have a copy of, and how much that is of what the first has. A
--   backend with itself gives all that it has. Pairs that share nothing are left out.
-- chart: matrix backend_name other_backend percent
WITH copies AS (
    SELECT backend_name, content
    FROM pins
    WHERE status = 'stored'
        AND content <> X''
    GROUP BY backend_name, content
),
sizes AS (
    SELECT backend_name, COUNT(*) AS contents
    FROM copies
    GROUP BY backend_name
),
pairs AS (
    SELECT one.backend_name, other.backend_name AS other_backend, COUNT(*) AS shared
    FROM copies AS one
    JOIN copies AS other ON other.content = one.content
    GROUP BY one.backend_name, other.backend_name
)
SELECT
    pairs.backend_name,
    pairs.other_backend,
    pairs.shared,
    ROUND(100.0 * pairs.shared / sizes.contents, 1) AS percent
FROM pairs
JOIN sizes ON sizes.backend_name = pairs.backend_name
ORDER BY pairs.backend_name, pairs.other_backend
