-- title: Storage by backend, status or month
-- description: What is stored, by backend or by the month in which it was; or what is in each state, for by = status. Bytes
--   count every mapping, unique bytes each content once in its part, with the largest size that is given there. What has no
--   known size is counted apart, never as 0 bytes; NULL is the part of an unknown time.
-- chart: bar part bytes unique_bytes
-- param: by text backend {backend, status, month}  what the parts are
WITH contents AS (
    SELECT
        CASE $by
            WHEN 'backend' THEN backend_name
            WHEN 'status' THEN status
            ELSE SUBSTR(CAST(DATE_TRUNC('month', created_at) AS VARCHAR), 1, 7)
        END AS part,
        content,
        COUNT(*) AS pins,
        SUM(size_bytes) AS bytes,
        COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE $by = 'status' OR status = 'stored'
    GROUP BY part, content
)
SELECT
    part,
    SUM(pins) AS pins,
    COALESCE(SUM(bytes), 0) AS bytes,
    SUM(unknown_sizes) AS unknown_sizes,
    COUNT(*) FILTER (WHERE content <> X'') AS contents,
    COALESCE(SUM(size_bytes) FILTER (WHERE content <> X''), 0) AS unique_bytes,
    COUNT(*) FILTER (WHERE content <> X'' AND size_bytes IS NULL) AS unknown_contents
FROM contents
GROUP BY part
ORDER BY part NULLS LAST
