import { openIdentification } from "./identification.ts";
import { openIjb } from "./ijb.ts";
import type { ProtocolPlaces } from "./places.ts";
import { openScFace } from "./scface.ts";
import { openSurvFace } from "./survface.ts";
import { openTemplates } from "./templates.ts";
import { openTinyFace } from "./tinyface.ts";
import type { Protocol } from "./types.ts";

/** A protocol by name: what it takes, and what to tell somebody who wants to run it. */
export interface NamedProtocol {
  readonly name: string;
  /** One line for the list of protocols. */
  readonly title: string;
  /** Where the data comes from, the tree that is expected, how to align it, what is measured. */
  readonly guide: string;
  /** Opens it; undefined for lists of pairs, which also take `.bin` files. */
  readonly open?: (places: ProtocolPlaces) => Promise<Protocol>;
}

const align = `Align: faces are 112 x 112 (or the model's side), eyes, nose and mouth at the ArcFace template's places:
  petalface align PHOTOS 'out=FOLDER'`;

const pairs = (name: string, title: string, source: string): NamedProtocol => ({
  name,
  title,
  guide: `${title}
Data: ${source}
Tree: 'data=${name}.bin', the verification list of insightface's data sets (images inside, aligned);
  or 'data=FOLDER' 'lists=pairs.txt', LFW's list (name/name_0001.jpg) or a CSV (path1,path2,same[,fold][,person1,person2])
${align}
Measured: accuracy over ten folds by the reference's thresholds, TAR at FAR, AUC, EER; with 'degrade' also low-resolution and mixed pairs.
  The embeddings of a face and of its mirror image, each at unit length, are added.`,
});

const insightface = "insightface's recognition data sets (_datasets_ in the insightface repository) come with it";

/** Every protocol that has a name. */
export const namedProtocols: readonly NamedProtocol[] = [
  pairs(
    "lfw",
    "Labeled Faces in the Wild, 6,000 pairs",
    `${insightface}; pairs.txt and photos: vis-www.cs.umass.edu/lfw`,
  ),
  pairs("cfp_ff", "CFP, frontal against frontal, 7,000 pairs", `${insightface}; www.cfpw.io`),
  pairs("cfp_fp", "CFP, frontal against profile, 7,000 pairs", `${insightface}; www.cfpw.io`),
  pairs("agedb_30", "AgeDB, 30 years apart, 6,000 pairs", insightface),
  pairs("calfw", "Cross-Age LFW, 6,000 pairs", `${insightface}; whdeng.cn/CALFW`),
  pairs("cplfw", "Cross-Pose LFW, 6,000 pairs", `${insightface}; whdeng.cn/CPLFW`),
  pairs("xqlfw", "Cross-Quality LFW, 6,000 pairs", "martlgap.github.io/xqlfw: xqlfw_pairs.txt and aligned photos"),
  {
    name: "identification",
    title: "your own gallery and probes: identification",
    guide: `Identification in a gallery of your own
Data: your faces
Tree: 'data=FOLDER' with
  gallery/PERSON/*.jpg     enrolled faces
  probe/PERSON/*.jpg       faces to find; people who are not in the gallery make it an open set
  distractors/...          strangers, if you like, in any layout
${align}
Measured: rank 1, 5, 10, 20 of probes whose person is enrolled; TPIR at FPIR 30, 20, 10, 1 % where others are not; with one 'degrade' also
  degraded probes against the sharp gallery.`,
    open: openIdentification,
  },
  {
    name: "tinyface",
    title: "TinyFace, low-resolution identification with 153,428 distractors",
    guide: `TinyFace, 1:N identification
Data: qmul-tinyface.github.io (Cheng, Zhu, Gong, "Low-resolution face recognition", ACCV 2018)
Tree: 'data=FOLDER', either that of the data set or of aligned copies, with (or with Testing_Set/ around)
  Probe/ID_N.jpg  Gallery_Match/ID_N.jpg  Gallery_Distractor/*.jpg
  'lists=FOLDER' with probe_img_ID_pairs.mat and gallery_match_img_ID_pairs.mat, where they do not lie with the faces
${align}
Measured: rank 1, 5, 10, 20 as the reference evaluator does: the mirror image's embedding is added, probes without a mate are left out.`,
    open: openTinyFace,
  },
  {
    name: "survface",
    title: "QMUL-SurvFace, surveillance verification and open-set identification",
    guide: `QMUL-SurvFace
Data: qmul-survface.github.io (Cheng, Zhu, Gong, "Surveillance face recognition challenge", 2018)
Tree: 'data=FOLDER' with one of these or both
  Face_Verification_Test_Set/    verification_images/ positive_pairs_names.mat negative_pairs_names.mat
  Face_Identification_Test_Set/  gallery/ mated_probe/ unmated_probe/
  Names are PERSON_CAMERA_NUMBER.jpg. The crops are about 24 x 20 pixels and are not aligned: make them square first.
Measured: TAR at FAR 30, 10, 1, 0.1 %; TPIR at FPIR 30, 20, 10, 1 % among the first 20 and at rank 1.`,
    open: openSurvFace,
  },
  ...(["ijbb", "ijbc"] as const).map(
    (name): NamedProtocol => ({
      name,
      title: `${name === "ijbb" ? "IJB-B" : "IJB-C"}, templates: 1:1 and 1:N`,
      guide: `${name === "ijbb" ? "IJB-B" : "IJB-C"}, templates of photos and video frames
Data: NIST, on request; lists as in insightface's evaluation (recognition/_evaluation_/ijb)
Tree: 'data=FOLDER' with
  loose_crop/*.jpg       the faces that the lists name, aligned (or directly in FOLDER)
  meta/                  or 'lists=FOLDER'
    ${name}_face_tid_mid.txt  ${name}_name_5pts_score.txt  ${name}_template_pair_label.txt
    ${name}_1N_gallery_${name === "ijbb" ? "S1" : "G1"}.csv ..._${name === "ijbb" ? "S2" : "G2"}.csv ${name}_1N_probe_mixed.csv, for 1:N
Align: with the five points of ${name}_name_5pts_score.txt, to the ArcFace template.
Measured: TAR at FAR 1e-6 ... 0.1 at the nearest point of the ROC (the reference's rule); rank 1, 5, 10 and TPIR at FPIR 1, 10 % of each gallery.
  Embedding and mirror image's are added, times the detector's score, mean of a medium, sum over media.`,
      open: (places) => openIjb(name, places),
    }),
  ),
  {
    name: "ijbs",
    title: "IJB-S, surveillance video to single photo, to booking, to surveillance",
    guide: `IJB-S
Data: NIST, on request (Kalka et al., "IJB-S: IARPA Janus surveillance video benchmark", BTAS 2018)
Tree: 'data=templates.csv' with the columns path,person,set,template and optionally media,weight
  set is surveillance (one template a person and video), single (one photo) or booking (all photos of the enrolment)
  media numbers the video or photo, weight is the detector's score; paths are relative to the CSV file, each file once
${align}
Measured: rank 1, 5, 10, TPIR at FPIR 1 and 10 % of surveillance to single, to booking, and to surveillance.`,
    open: (places) => openTemplates("ijbs", places),
  },
  {
    name: "scface",
    title: "SCface, mug shots against surveillance cameras at three distances",
    guide: `SCface
Data: scface.org, on request (Grgic, Delac, Grgic, "SCface - surveillance cameras face database", 2011)
Tree: 'data=FOLDER' with aligned copies in the data set's folders and under its names
  mugshot_frontal_cropped_all/001_frontal.jpg
  surveillance_cameras_distance_1/cam_1/001_cam1_1.jpg (4.20 m), ..._distance_2 (2.60 m), ..._distance_3 (1.00 m)
${align}
Measured: rank 1, 5, 10, 20 for d1, d2 and d3, cameras 1 to 5.`,
    open: openScFace,
  },
  {
    name: "briar",
    title: "probe and gallery templates of a manifest, as in BRIAR",
    guide: `Templates of a manifest, as in BRIAR
Data: IARPA BRIAR is for its performers; any set of templates can be listed
Tree: 'data=templates.csv' with the columns path,person,set,template and optionally media,weight
  set is probe or gallery; template groups faces; media numbers the video or photo; weight is the detector's score
  paths are relative to the CSV file, each file once
${align}
Measured: TAR at FAR 1e-4 ... 0.1 of all probes against all of the gallery; rank 1, 5, 10, 20; TPIR at FPIR 1 and 10 %.`,
    open: (places) => openTemplates("briar", places),
  },
];

/** The protocol of this name, in any case and with `-` for `_`. */
export function findProtocol(name: string): NamedProtocol | undefined {
  const plain = name.toLowerCase().replaceAll("-", "_");
  return namedProtocols.find((protocol) => protocol.name === plain);
}
