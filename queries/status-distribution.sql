-- title: Mappings by status
-- description: How many mappings each backend has in each state, and their share of that backend's mappings.
-- chart: stack backend_name status pins
SELECT
    backend_name,
    status,
    COUNT(*) AS pins,
    ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY backend_name), 1) AS percent,
    SUM(size_bytes) AS bytes,
    COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
FROM pins
GROUP BY backend_name, status
ORDER BY backend_name, pins DESC, status
