-- title: Change of failure rates
-- description: The share of failed mappings of each backend as a daemon has last observed it, against the last observation before
--   a time ago, and how many percentage points it has changed, the worst change first. Where nothing is observed of then, the
--   note says so.
-- chart: bar backend_name change_points
-- param: before interval 7d  how long ago
-- param: backends backend[] ''  only these backends; all if there is none
-- param: as_of timestamp now  until when
WITH latest AS (
    SELECT
        *,
        100.0 * failed / NULLIF(CAST(pins AS DOUBLE), 0) AS share,
        ROW_NUMBER() OVER (PARTITION BY backend_name ORDER BY observed_at DESC, pins DESC, failed DESC) AS place
    FROM backend_history
    WHERE pins IS NOT NULL
        AND observed_at <= $as_of
        AND (CARDINALITY($backends) = 0 OR ARRAY_HAS($backends, backend_name))
),
earlier AS (
    SELECT
        *,
        100.0 * failed / NULLIF(CAST(pins AS DOUBLE), 0) AS share,
        ROW_NUMBER() OVER (PARTITION BY backend_name ORDER BY observed_at DESC, pins DESC, failed DESC) AS place
    FROM backend_history
    WHERE pins IS NOT NULL
        AND observed_at <= $as_of - $before
        AND (CARDINALITY($backends) = 0 OR ARRAY_HAS($backends, backend_name))
)
SELECT
    latest.backend_name,
    earlier.observed_at AS observed_before,
    earlier.pins AS pins_before,
    earlier.failed AS failed_before,
    ROUND(earlier.share, 2) AS percent_before,
    latest.observed_at,
    latest.pins,
    latest.failed,
    ROUND(latest.share, 2) AS percent,
    ROUND(latest.share - earlier.share, 2) AS change_points,
    CASE WHEN earlier.observed_at IS NULL THEN 'nothing is observed of then' END AS note
FROM latest
LEFT JOIN earlier ON earlier.backend_name = latest.backend_name AND earlier.place = 1
WHERE latest.place = 1
ORDER BY latest.share - earlier.share DESC NULLS LAST, latest.backend_name
