//! Why a direction can't be read, written or used.

use truenorth_files::UnreadableKind;
use truenorth_protocol::Site;
use truenorth_protocol::pickle::PickleError;
use truenorth_protocol::torch_file::TorchFileError;

/// A file that holds no usable direction, or a direction that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum DirectionError {
    /// A file could not be read or written.
    #[error("can't {what} `{path}`")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file as it was named.
        path: String,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// More than there is memory for.
    #[error("out of memory while the file is read")]
    Memory(#[from] std::collections::TryReserveError),
    /// A file larger than a direction could be.
    #[error("`{path}` has {bytes} bytes; expected a direction of at most {limit}")]
    TooLarge {
        /// The file as it was named.
        path: String,
        /// Bytes of the file.
        bytes: u64,
        /// The most bytes that are read.
        limit: u64,
    },
    /// A name whose ending says no format that is read.
    #[error("can't tell the format of `{0}`; expected .safetensors, .npz, .npy, .gguf, .pt, .bin or .pkl")]
    Format(String),
    /// A name whose ending says no format that is written.
    #[error("can't tell the format to write `{0}` in; expected .safetensors, .npz, .npy or .gguf")]
    WriteFormat(String),
    /// A format that is read only.
    #[error("`{0}` files are read only")]
    ReadOnly(&'static str),
    /// Bytes that are not what the format asks for.
    #[error("malformed {format} file: {what}")]
    Malformed {
        /// Name of the format, such as `npz`.
        format: &'static str,
        /// What is wrong, for people.
        what: String,
    },
    /// Not a safetensors file.
    #[error("not a safetensors file")]
    Safetensors(#[source] safetensors::SafeTensorError),
    /// A zip archive that can't be read.
    #[error("can't unpack the npz archive")]
    Zip(#[source] zip::result::ZipError),
    /// A file of torch.save that is refused.
    #[error("can't read the file of torch.save")]
    Torch(#[source] TorchFileError),
    /// A value of NumPy in a pickle that is no array of numbers.
    #[error("the file holds {0}, which is not read here; tensors and arrays of numbers are")]
    NumpyInTorch(&'static str),
    /// Metadata that must be there.
    #[error("the metadata lack `{0}`")]
    Missing(&'static str),
    /// Metadata that can't be understood.
    #[error("metadata `{key}` is `{value}`; expected {expected}")]
    Metadata {
        /// The key of the metadata.
        key: &'static str,
        /// The value in the file.
        value: String,
        /// The values that are understood, in words.
        expected: &'static str,
    },
    /// A version of the format that this program does not know.
    #[error("the file has format version {found}; this program reads up to {known}")]
    Version {
        /// The version in the file.
        found: String,
        /// The latest version that this program reads.
        known: u32,
    },
    /// A tensor that is no vector.
    #[error("expected a vector, got shape {found:?}")]
    Shape {
        /// Sizes of the axes of the tensor.
        found: Vec<usize>,
    },
    /// One of a stack is asked for, and there is no stack.
    #[error("--{flag} chooses one of a stack of vectors, and the array is one vector")]
    OneVector {
        /// `row`, `layer` or `position`.
        flag: &'static str,
    },
    /// A vector of a sparse autoencoder's file that is as wide as its dictionary, not as its model.
    #[error("{from} of the autoencoder is {width} wide, and the model that it reads is {model} wide")]
    Feature {
        /// The array and the row that were chosen.
        from: String,
        /// Width of the vector.
        width: usize,
        /// Width of the model.
        model: usize,
    },
    /// An element type that is not read.
    #[error("element type `{0}` is not read; expected 16-, 32- or 64-bit floats")]
    DType(String),
    /// A NaN or an infinity.
    #[error("the direction holds {value} at position {index}")]
    NotFinite {
        /// Position from 0.
        index: usize,
        /// The NaN or infinity.
        value: f64,
    },
    /// A direction that is no unit vector.
    #[error("the direction has norm {norm}; expected 1 within 0.001")]
    Norm {
        /// Euclidean norm of the vector.
        norm: f64,
    },
    /// A vector without a direction.
    #[error("the vector is all zeros, so it points nowhere")]
    Zero,
    /// A file with arrays of which none holds floats.
    #[error("the file holds no floats, only {found}")]
    NoFloats {
        /// Names and element types, comma-separated.
        found: String,
    },
    /// A file without arrays.
    #[error("the file holds no arrays")]
    NoArrays,
    /// A Git LFS pointer, a web page or another file that is no direction.
    #[error("the file is {}", .0.what)]
    Looks(UnreadableKind),
    /// An import that does not say what the file does not say either.
    #[error("a {format} file does not say its {what}{}", unsure.as_ref().map_or_else(String::new, |why| format!(": {why}")))]
    Unstated {
        /// Name of the format, such as `npy`.
        format: &'static str,
        /// What must be stated, such as `site`.
        what: &'static str,
        /// Why what the file says is not enough.
        unsure: Option<String>,
    },
    /// Several vectors to choose from.
    #[error("the file holds several arrays ({names}); none was chosen")]
    Ambiguous {
        /// Names of the arrays, comma-separated.
        names: String,
    },
    /// A vector a layer, and none chosen.
    #[error("the file holds a vector for each of the layers {have}; none was chosen")]
    Layers {
        /// The layers that have a vector, comma-separated.
        have: String,
    },
    /// A layer that is not in the file.
    #[error("the file has no vector for layer {layer}; it has {have}")]
    NoSuchLayer {
        /// The layer that was asked for.
        layer: String,
        /// The layers that have a vector, comma-separated.
        have: String,
    },
    /// A list of layers that does not say one for each row of the stack.
    #[error(
        "`{name}` of the file lists the layers {listed}, which are not one each for the {rows} rows of the stack"
    )]
    Band {
        /// The array that lists them.
        name: String,
        /// The layers, comma-separated.
        listed: String,
        /// Rows of the stack.
        rows: usize,
    },
    /// A list of layers that is not read.
    #[error("`{name}` of the file lists the layers as `{dtype}`; expected integers")]
    BandType {
        /// The array that lists them.
        name: String,
        /// Its element type, as NumPy names it.
        dtype: String,
    },
    /// A place past the end of an axis of a stack.
    #[error("{flag} {at} of a stack with {count}")]
    NoSuchPlace {
        /// `layer` or `position`.
        flag: &'static str,
        /// The place that was asked for.
        at: i64,
        /// Places along the axis.
        count: usize,
    },
    /// A layer and a position of a stack of one of the two.
    #[error("a layer and a position are both asked for, and the array is one stack of vectors, {found:?}")]
    LayerAndPosition {
        /// Sizes of the axes of the array.
        found: Vec<usize>,
    },
    /// A name of an array in a file of one array, which has none.
    #[error("the file is one array, which has no name, and `{name}` is asked for")]
    Unnamed {
        /// The name that was asked for.
        name: String,
    },
    /// A row asked for in two ways.
    #[error("a row and a layer or position are both asked for")]
    RowAndLayer,
    /// A name that is not in the file.
    #[error("the file has no array `{name}`; it holds {names}")]
    NoSuchArray {
        /// The name that was asked for.
        name: String,
        /// Names there are.
        names: String,
    },
    /// A row past the end.
    #[error("row {row} of an array of {rows} rows")]
    NoSuchRow {
        /// The row that was asked for, from 0.
        row: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A site that a control vector can't name.
    #[error("a llama.cpp control vector can't name `{0}`; it acts on the output of blocks from 1 on")]
    ControlVectorSite(Site),
    /// A file of several sites where one is wanted.
    #[error("the file holds directions of several sites ({have}); one is used here")]
    Several {
        /// The sites that have a direction, comma-separated.
        have: String,
    },
    /// A site that is not in a file of several.
    #[error("the file has no direction at `{site}`; it has {have}")]
    NoSuchSite {
        /// The site that was asked for.
        site: Site,
        /// The sites that have a direction, comma-separated.
        have: String,
    },
    /// Two directions of one site.
    #[error("there are two directions of `{0}`; a file has one a site")]
    SameSite(Site),
    /// A width that does not fit the model.
    #[error("the direction is {direction} wide, the model {model}")]
    Width {
        /// Width of the direction.
        direction: usize,
        /// Width of the model.
        model: usize,
    },
    /// A direction of another model.
    #[error("the direction was found on `{direction}`, not on `{asked}`")]
    Model {
        /// The model that the direction was found on.
        direction: String,
        /// The model it is to be used on.
        asked: String,
    },
    /// A direction of other weights of the same name.
    #[error("the direction was found on other weights of `{model}`: {direction}, and these are {asked}")]
    Weights {
        /// The name that both models have.
        model: String,
        /// Hash of the weights that the direction was found on.
        direction: String,
        /// The hash of the weights asked for.
        asked: String,
    },
    /// A vector that the file has at another site than is stated.
    #[error("the file says `{file}` of the vector chosen, and --site says `{asked}`")]
    Stated {
        /// The site that the file gives the vector.
        file: Site,
        /// The site that was stated.
        asked: Site,
    },
    /// A vector of a layer that is not the stated site's.
    #[error("the file says layer {layer} of the vector, and --site says `{asked}`")]
    StatedLayer {
        /// The layer, as the file numbers it.
        layer: i64,
        /// The site that was stated.
        asked: Site,
    },
    /// A layer of a stack whose rows are counted, and a site of another.
    #[error("--layer {layer} is chosen of the stack, which counts from 0, and --site says `{asked}`")]
    AskedLayer {
        /// The layer that was asked for.
        layer: i64,
        /// The site that was stated.
        asked: Site,
    },
    /// A vector whose place in the file is not the one that the file's metadata say.
    #[error("the vector chosen is that of {named}, and the file's metadata say `{told}`")]
    Told {
        /// Site or layer by the vector's own name.
        named: String,
        /// The site in the file's metadata.
        told: Site,
    },
    /// A direction of another site.
    #[error("the direction was found at `{direction}`, not at `{asked}`")]
    Site {
        /// The site that the direction was found at.
        direction: Site,
        /// The site it is to be used at.
        asked: Site,
    },
}

impl DirectionError {
    /// What would mend it, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Stated { .. } => Some(
                "leave --site out, as the file says it, or choose the layer of that site with --layer; if the file is wrong, \
                 save the vector alone with numpy.save('v.npy', v)",
            ),
            Self::StatedLayer { .. } => {
                Some("state a site of that layer, or choose another layer with --layer")
            }
            Self::AskedLayer { .. } => Some(
                "state a site of that layer, or another layer; where the rows of the stack are not the layers 0, 1, 2 and on, \
                 choose the row itself with --row N in place of --layer (beside --position P, where the stack has positions)",
            ),
            Self::LayerAndPosition { .. } => {
                Some("leave --position out where the rows are layers, or --layer where they are positions")
            }
            Self::Unnamed { .. } => Some("leave --array out"),
            Self::Told { .. } => Some("say with --site which of the two the vector is at"),
            Self::Norm { .. } => Some("import the vector with `direction import`, which normalises it"),
            Self::Zero => Some(
                "look at what was saved: the difference of two equal means, or an array that was never filled; \
                 choose another array or row with --array or --row if the file has one",
            ),
            Self::NoFloats { .. } => {
                Some("save the vector as 32-bit floats, as in `torch.save(v.float(), path)`")
            }
            Self::NoArrays => Some("save the vector as a tensor, or as a dict of tensors"),
            Self::Looks(look) => Some(look.remedy),
            Self::NotFinite { .. } => Some(
                "it is so in the file: compute the vector again where that comes from, a division by 0, a mean of no rows, or f16, \
                 which holds numbers up to 65504, less than some residuals (bf16 and f32 hold them)",
            ),
            Self::DType(_) => Some("save the vector as 16-, 32- or 64-bit floats"),
            Self::NumpyInTorch(_) => Some(
                "load it in Python, if you trust where it comes from, with torch.load('OLD.pt', weights_only=False), and \
                 save the array alone with numpy.save('v.npy', v)",
            ),
            Self::Torch(TorchFileError::Pickle(PickleError::Global { .. })) => Some(
                "load it in Python, if you trust where it comes from, with torch.load('OLD.pt', weights_only=False), and \
                 save the vector alone as a tensor: torch.save(v, 'NEW.pt')",
            ),
            Self::Malformed { .. } | Self::Safetensors(_) | Self::Zip(_) | Self::Torch(_) => {
                Some("fetch or write the file again, and check that its ending says what it is")
            }
            Self::Memory(_) => Some("name a smaller file, or end what else takes memory"),
            Self::TooLarge { .. } => Some("name the file of the direction, not of a model or of activations"),
            Self::NoSuchArray { .. } => Some("name one of these with --array"),
            Self::NoSuchRow { .. } => Some("choose a row with --row, counting from 0"),
            Self::ControlVectorSite(_) => Some("export as safetensors, npz or npy, which keep any site"),
            Self::Format(name) => Some(save_as(name)),
            Self::WriteFormat(_) => Some("give the file a name with one of these endings"),
            Self::Missing(_) => Some("a file of another program must be imported with `direction import`"),
            Self::Unstated { what: "site", .. } => Some("say where it lives, as in --site resid_post.12"),
            Self::Unstated { .. } => {
                Some("say what a positive projection means, as in --sign 'kind over unkind'")
            }
            Self::Ambiguous { .. } => Some("choose one with --array NAME"),
            Self::Shape { found } if found.contains(&0) => {
                Some("the array is empty: save the vector again, and look at its shape before")
            }
            Self::Shape { found } if !(2..=3).contains(&found.len()) => Some(
                "save one vector, a stack [layers, hidden] or a stack [positions, layers, hidden], as \
                 numpy.save('v.npy', v.reshape(...)) does",
            ),
            Self::Shape { found } if found.len() == 3 => Some(
                "choose one of a stack [positions, layers, hidden] with --position P and --layer N, or with --position P \
                     and --row N, counting from 0",
            ),
            Self::Shape { .. } => Some(
                "choose one row of a stack of directions with --row N, or of a stack [layers, hidden] with --layer N, \
                 counting from 0",
            ),
            Self::OneVector { .. } => {
                Some("leave it out; the place of one vector is stated with --site alone")
            }
            Self::Feature { .. } => Some(
                "a feature's direction is a row of the decoder: leave --array out, or say --array W_dec --row N",
            ),
            Self::Layers { .. } | Self::NoSuchLayer { .. } => Some("choose one of these with --layer N"),
            Self::Band { .. } => Some(
                "leave --layer out and choose the row itself with --row N, counting from 0, and say its site with --site; a \
                 stack [positions, layers, hidden] takes --position P beside it",
            ),
            Self::BandType { .. } => Some(
                "save the list as integers, as in numpy.array(layers, dtype='int64'), or leave --layer out and choose the row \
                 itself with --row N, counting from 0, and say its site with --site; a stack [positions, layers, hidden] takes \
                 --position P beside it",
            ),
            Self::NoSuchPlace { .. } => {
                Some("count from 0, or from the end, as in --position -1 or --layer -1")
            }
            Self::RowAndLayer => Some(
                "leave --row out, or --layer and --position; a stack [positions, layers, hidden] alone takes --row and \
                 --position together",
            ),
            Self::Width { .. } => {
                Some("use the model that the direction was extracted from, or extract one on this model")
            }
            Self::Site { .. } => {
                Some("name directions that were found at one site; where --site was given, another or none")
            }
            Self::Metadata { key: "site", value, .. } if value == "logits" => {
                Some("a direction lives in the residual stream: name a site such as resid_post.12")
            }
            Self::Several { .. } | Self::NoSuchSite { .. } => {
                Some("choose one by its site behind the file's name, as in F.safetensors@resid_post.12")
            }
            Self::Version { .. } => Some("update truenorth"),
            Self::ReadOnly(_) => Some("export to safetensors, npz, npy or gguf"),
            _ => None,
        }
    }
}

/// How a vector in a file of another ending becomes one that is read.
fn save_as(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "json" | "jsonl" => {
            "make a NumPy array of the list: numpy.save('v.npy', numpy.array(json.load(open('v.json')), dtype='float32')) \
             for a file that is one list of numbers"
        }
        "csv" | "tsv" | "txt" => {
            "make a NumPy array of the numbers: numpy.save('v.npy', numpy.loadtxt(FILE)), with delimiter=',' where commas are \
             between them"
        }
        _ => {
            "give the file a name with the ending of what it is, or save the vector with numpy.save('v.npy', v)"
        }
    }
}
