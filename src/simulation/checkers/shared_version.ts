/** Equal versions mean equal values, always and everywhere. */
import { formatVersion } from "../../record/version.ts";
import type { Evidence, VersionSighting, Violation } from "../evidence/evidence.ts";

/** Judges what was seen under each version on the wire, in answers and in stores. */
export function checkSharedVersions(evidence: Evidence): Violation[] {
  const first = new Map<string, VersionSighting>();
  const violations = new Map<string, Violation>();
  for (const sighting of evidence.sightings) {
    const version = `${sighting.key} ${formatVersion(sighting)}`;
    const before = first.get(version);
    if (before === undefined) {
      first.set(version, sighting);
    } else if (before.content !== sighting.content) {
      violations.set(version, {
        checker: "shared_version",
        message: `${sighting.key}: ${formatVersion(sighting)} is ${before.content} ` +
          `(${before.where}) and ${sighting.content} (${sighting.where})`,
        keys: [sighting.key],
        operations: [],
      });
    }
  }
  return [...violations.values()];
}
