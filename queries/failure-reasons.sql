-- title: Why pins fail or wait
-- description: Failed and pending mappings of each backend by the reason that their metadata gives, the most frequent
--   first. Mappings without a reason are a row of their own.
SELECT
    backend_name,
    status,
    METADATA_REASON(metadata) AS reason,
    COUNT(*) AS pins,
    MIN(created_at) AS oldest,
    MAX(created_at) AS newest
FROM pins
WHERE status IN ('failed', 'pending')
GROUP BY backend_name, status, reason
ORDER BY pins DESC, backend_name, status, reason
