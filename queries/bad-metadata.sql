-- title: Mappings with bad metadata
-- description: Mappings whose metadata is missing, is no JSON object, or gives a size that is none, such as a negative one.
WITH looked_at AS (
    SELECT
        backend_name,
        cid,
        status,
        CASE
            WHEN TRIM(COALESCE(metadata, '')) = '' THEN 'missing'
            WHEN NOT METADATA_VALID(metadata) THEN 'no JSON object'
            WHEN size_bytes IS NULL
                AND COALESCE(
                    metadata ->> 'size_bytes',
                    metadata ->> 'size',
                    metadata -> 'metadata' ->> 'size_bytes',
                    metadata -> 'metadata' ->> 'size'
                ) IS NOT NULL THEN 'no size'
        END AS problem,
        metadata
    FROM pins
)
SELECT backend_name, cid, status, problem, metadata
FROM looked_at
WHERE problem IS NOT NULL
ORDER BY backend_name, problem, cid, status, metadata
