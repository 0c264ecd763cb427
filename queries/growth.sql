-- title: Growth over time
-- description: Mappings by the time of their creation, what of them is stored, contents that came for the first time, and
--   the totals until then. Mappings whose time is unknown come last, without a period.
-- chart: line period total_pins total_stored_bytes
-- param: by text month {day, week, month, quarter, year}  the length of a period, which is named by its first day
WITH mappings AS (
    SELECT
        CAST(DATE_TRUNC($by, created_at) AS DATE) AS period,
        COUNT(*) AS pins,
        COUNT(*) FILTER (WHERE status = 'stored') AS stored,
        COALESCE(SUM(size_bytes) FILTER (WHERE status = 'stored'), 0) AS stored_bytes,
        COUNT(*) FILTER (WHERE status = 'stored' AND size_bytes IS NULL) AS unknown_sizes
    FROM pins
    GROUP BY period
),
firsts AS (
    SELECT content, MIN(created_at) AS created_at
    FROM pins
    WHERE content <> X''
    GROUP BY content
),
contents AS (
    SELECT CAST(DATE_TRUNC($by, created_at) AS DATE) AS period, COUNT(*) AS new_contents
    FROM firsts
    GROUP BY period
)
SELECT
    mappings.period,
    mappings.pins,
    mappings.stored,
    mappings.stored_bytes,
    mappings.unknown_sizes,
    COALESCE(contents.new_contents, 0) AS new_contents,
    SUM(mappings.pins) OVER until_then AS total_pins,
    SUM(COALESCE(contents.new_contents, 0)) OVER until_then AS total_contents,
    SUM(mappings.stored_bytes) OVER until_then AS total_stored_bytes
FROM mappings
LEFT JOIN contents ON contents.period IS NOT DISTINCT FROM mappings.period
WINDOW until_then AS (ORDER BY mappings.period NULLS LAST ROWS UNBOUNDED PRECEDING)
ORDER BY mappings.period NULLS LAST
