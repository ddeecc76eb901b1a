/**
 * ONNX Runtime 1.30 for Linux and macOS reports what it runs to Microsoft, and keeps a number for the machine, unless
 * this variable is set before its first session. What people show to a model is nobody else's business, so it is off
 * unless the variable says otherwise. In a worker thread `process.env` is a copy that native code does not see: set it
 * in the main thread there.
 */
export function declineTelemetry(): void {
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
}
