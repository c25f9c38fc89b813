import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, both as PEM files. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** An authority in a temporary folder that signs certificates for the loopback. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), "calibird-ca-"));
  readonly certificate = join(this.#folder, "ca.crt");
  readonly #key = join(this.#folder, "ca.key");

  constructor(name: string) {
    const subject = ["-subj", `/CN=${name}`, "-addext", "basicConstraints=critical,CA:TRUE"];
    this.#openssl("req", "-x509", ...newKey(this.#key), "-days", "2", ...subject, "-out", this.certificate);
  }

  /** A certificate for servers and clients, valid for two days, or expired a day ago. */
  sign(name: string, validity: "valid" | "expired" = "valid"): CertificateFiles {
    const file = (suffix: string) => join(this.#folder, `${name}.${suffix}`);
    const extensions = ["subjectAltName=IP:127.0.0.1,DNS:localhost", "extendedKeyUsage=serverAuth,clientAuth"];
    writeFileSync(file("ext"), extensions.join("\n"));
    this.#openssl("req", ...newKey(file("key")), "-subj", `/CN=${name}`, "-out", file("csr"));
    const authority = ["-CA", this.certificate, "-CAkey", this.#key, "-CAcreateserial", "-extfile", file("ext")];
    const days = validity === "valid" ? "2" : "-1";
    this.#openssl("x509", "-req", "-in", file("csr"), ...authority, "-days", days, "-out", file("crt"));
    return { certificate: file("crt"), key: file("key") };
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #openssl(...argv: readonly string[]): void {
    execFileSync("openssl", argv, { stdio: "pipe" });
  }
}

function newKey(file: string): string[] {
  return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file];
}
