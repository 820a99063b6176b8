import { closesOnSharp, type Gate } from "../adapters/index.ts";
import { type Preprocessing, printNormalize } from "../models/index.ts";
import type { Contract } from "./contract.ts";
import { sameFeeding } from "./feeding.ts";

/** How a deployed network depends on the quality of a face. */
export type GateUse = { readonly gate: Gate; readonly merged: boolean } | undefined;

/**
 * What changes for the faces that are enrolled already, in words.
 *
 * @param gate undefined for the frozen network
 * @param wants how the model wants its pixels
 */
export function enrolledNotes(
  { name, enrolled, feeding }: Contract,
  gate: GateUse,
  wants: Preprocessing,
  fed: Preprocessing,
): string[] {
  const keeps = gate === undefined || (closesOnSharp(gate.gate) && !gate.merged);
  const notes: string[] = [];
  if (enrolled === "photos")
    notes.push(`enrolled faces: nothing to do, ${name} embeds their photos again when it starts`);
  else if (gate === undefined) notes.push("enrolled faces: stay valid, this is the frozen network");
  else if (keeps)
    notes.push(
      "enrolled faces: sharp ones (alpha 1) keep their embeddings if this very model embedded them; embed the others again",
    );
  else notes.push("enrolled faces: every embedding changes, so embed all of them again");
  if (enrolled !== "photos" && keeps && !sameFeeding(wants, feeding) && !sameFeeding(wants, fed))
    notes.push(
      `${name} feeds (x - MEAN) * SCALE with ${printNormalize(feeding)}, ${feeding.channels.toUpperCase()}, and the model wants ${printNormalize(wants)}, ${wants.channels.toUpperCase()}: this file corrects that, so embeddings of the uncorrected file differ from its own`,
    );
  return notes;
}
