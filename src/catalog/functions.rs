//! Functions over CIDs and metadata in SQL. Text that is none gives NULL, an empty content or false; it never fails a query.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, BooleanBuilder, Int64Builder, StringViewArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::derive::{contents, texts};
use crate::pin::Cid;
use crate::pin::{cid, reason};

/// All of them, to be registered with a session.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    FUNCTIONS
        .iter()
        .map(|function| {
            Arc::new(ScalarUDF::new_from_impl(CidFunction {
                function,
                signature: Signature::string(1, Volatility::Immutable),
            }))
        })
        .collect()
}

/// What one function is called, gives and means.
struct Function {
    name: &'static str,
    gives: Gives,
    /// What it gives, in one sentence.
    help: &'static str,
    example: &'static str,
}

/// What a function makes of the text of a CID, or of metadata.
enum Gives {
    Content,
    Valid,
    Number(fn(&Cid) -> i64),
    Text(fn(&Cid) -> Option<String>),
    OfMetadata(fn(&str) -> Option<String>),
    OfObject(fn(&str) -> bool),
}

static FUNCTIONS: [Function; 10] = [
    Function {
        name: "cid_content",
        gives: Gives::Content,
        help: "What a CID names: the bytes of its multihash, the same for every version, codec and base. Empty for text \
               that is no CID.",
        example: "SELECT * FROM pins WHERE content = cid_content('QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN')",
    },
    Function {
        name: "cid_valid",
        gives: Gives::Valid,
        help: "Whether a text is a CID, of version 0 or 1 and in any base. False for NULL.",
        example: "SELECT cid FROM pins WHERE NOT cid_valid(cid)",
    },
    Function {
        name: "cid_version",
        gives: Gives::Number(|cid| i64::from(cid.version())),
        help: "The version of a CID, 0 or 1. NULL for text that is no CID.",
        example: "SELECT cid_version(cid), COUNT(*) FROM pins GROUP BY 1",
    },
    Function {
        name: "cid_codec",
        gives: Gives::Text(|cid| Some(cid.codec_name())),
        help: "The codec of a CID as the multicodec table names it: raw, dag-pb, dag-cbor, …; a codec without a name \
               there is shown as 0x…. NULL for text that is no CID.",
        example: "SELECT cid_codec(cid), COUNT(*) FROM pins GROUP BY 1",
    },
    Function {
        name: "cid_hash",
        gives: Gives::Text(|cid| Some(cid.hash_name())),
        help: "The name of a CID's hash function: sha2-256, blake3, identity, …; one without a name is shown as 0x…. NULL \
               for text that is no CID.",
        example: "SELECT cid_hash(cid), COUNT(*) FROM pins GROUP BY 1",
    },
    Function {
        name: "cid_base",
        gives: Gives::Text(|cid| Some(cid.base_name().to_owned())),
        help: "The base in which a CID is written: base32, base58btc, base36, …. NULL for text that is no CID.",
        example: "SELECT cid_base(cid), COUNT(*) FROM pins GROUP BY 1",
    },
    Function {
        name: "cid_to_v1",
        gives: Gives::Text(|cid| Some(cid.to_v1())),
        help: "A CID as version 1 in base32, its usual spelling. NULL for text that is no CID.",
        example: "SELECT cid_to_v1('QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN')",
    },
    Function {
        name: "cid_to_v0",
        gives: Gives::Text(Cid::to_v0),
        help: "A CID as version 0 (Qm…), which exists for dag-pb with sha2-256 only. NULL for all others.",
        example: "SELECT cid_to_v0(cid) FROM pins",
    },
    Function {
        name: "metadata_reason",
        gives: Gives::OfMetadata(reason::from_metadata),
        help: "Why a pin failed or waits, as its metadata says: error, reason, status_details, or the error within \
               metadata, the first that is not blank. NULL if it does not say.",
        example: "SELECT metadata_reason(metadata), COUNT(*) FROM pins WHERE status = 'failed' GROUP BY 1",
    },
    Function {
        name: "metadata_valid",
        gives: Gives::OfObject(reason::is_object),
        help: "Whether a metadata text is one JSON object and nothing else. False for NULL.",
        example: "SELECT cid FROM pins WHERE NOT metadata_valid(metadata)",
    },
];

/// A [`Function`] as DataFusion calls it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CidFunction {
    function: &'static Function,
    signature: Signature,
}

impl ScalarUDFImpl for CidFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.function.gives {
            Gives::Content => DataType::BinaryView,
            Gives::Valid | Gives::OfObject(_) => DataType::Boolean,
            Gives::Number(_) => DataType::Int64,
            Gives::Text(_) | Gives::OfMetadata(_) => DataType::Utf8View,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = &args.args[..] else {
            return datafusion::common::internal_err!("{} takes one text", self.name());
        };
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.function.call(&texts(array)?))),
            ColumnarValue::Scalar(scalar) => {
                let made = self.function.call(&texts(&scalar.to_array()?)?);
                Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&made, 0)?))
            }
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOCS: LazyLock<Vec<Documentation>> =
            LazyLock::new(|| FUNCTIONS.iter().map(Function::document).collect());
        DOCS.iter().zip(&FUNCTIONS).find(|(_, function)| *function == self.function).map(|(doc, _)| doc)
    }
}

impl Function {
    fn call(&self, texts: &StringViewArray) -> ArrayRef {
        let cids = texts.iter().map(|text| text.and_then(|text| text.parse::<Cid>().ok()));
        match self.gives {
            Gives::Content => contents(texts),
            Gives::Valid => {
                let (mut builder, mut multihash) = (BooleanBuilder::with_capacity(texts.len()), Vec::new());
                for text in texts {
                    multihash.clear();
                    builder.append_value(cid::content_of(text.unwrap_or_default(), &mut multihash));
                }
                Arc::new(builder.finish())
            }
            Gives::Number(number) => {
                let mut builder = Int64Builder::with_capacity(texts.len());
                cids.for_each(|cid| builder.append_option(cid.as_ref().map(number)));
                Arc::new(builder.finish())
            }
            Gives::OfObject(holds) => {
                let mut builder = BooleanBuilder::with_capacity(texts.len());
                texts.iter().for_each(|text| builder.append_value(text.is_some_and(holds)));
                Arc::new(builder.finish())
            }
            Gives::OfMetadata(words) => {
                let mut builder = StringViewBuilder::with_capacity(texts.len());
                texts.iter().for_each(|text| builder.append_option(text.and_then(words)));
                Arc::new(builder.finish())
            }
            Gives::Text(text) => {
                let mut builder = StringViewBuilder::with_capacity(texts.len());
                cids.for_each(|cid| builder.append_option(cid.as_ref().and_then(text)));
                Arc::new(builder.finish())
            }
        }
    }

    fn document(&self) -> Documentation {
        let (argument, what) = match self.gives {
            Gives::OfMetadata(_) | Gives::OfObject(_) => ("metadata", "The metadata of a pin."),
            _ => ("cid", "The text of a CID."),
        };
        Documentation::builder(DOC_SECTION_OTHER, self.help, format!("{}({argument})", self.name))
            .with_argument(argument, what)
            .with_sql_example(format!("```sql\n{}\n```", self.example))
            .build()
    }
}

/// Functions are told apart by name.
impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl std::hash::Hash for Function {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
