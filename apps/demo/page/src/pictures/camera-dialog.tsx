import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Modal } from "../shell/modal";

interface CameraDialogProps {
  readonly onPicture: (file: File) => void;
  readonly onClose: () => void;
}

/** Shows what the camera sees and takes a picture of it. */
export function CameraDialog({ onPicture, onClose }: CameraDialogProps): VNode {
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<"asking" | "live" | { readonly problem: string }>("asking");
  useEffect(() => {
    let stream: MediaStream | undefined;
    let closed = false;
    void openCamera().then(
      (opened) => {
        if (closed) return stopCamera(opened);
        stream = opened;
        if (video.current) video.current.srcObject = opened;
        setState("live");
      },
      (error: unknown) => !closed && setState({ problem: cameraProblem(error) }),
    );
    return () => {
      closed = true;
      if (stream) stopCamera(stream);
    };
  }, []);
  const take = async (): Promise<void> => {
    if (!video.current) return;
    onPicture(await frameOf(video.current));
    onClose();
  };
  return (
    <Modal title="Take a picture" class="camera" onClose={onClose}>
      <div class="viewfinder">
        <video ref={video} autoplay muted playsInline aria-label="What the camera sees" hidden={state !== "live"} />
        {state === "asking" && <p>Waiting for the camera…</p>}
        {typeof state === "object" && <p role="alert">{state.problem}</p>}
      </div>
      <div class="modal-actions">
        <button type="button" class="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="button primary" disabled={state !== "live"} onClick={() => void take()}>
          Take picture
        </button>
      </div>
    </Modal>
  );
}

async function openCamera(): Promise<MediaStream> {
  // Browsers give pages cameras only over https and on the machine itself.
  if (!navigator.mediaDevices) throw new DOMException("no mediaDevices", "SecurityError");
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } }, audio: false });
}

function stopCamera(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

async function frameOf(video: HTMLVideoElement): Promise<File> {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  return new File([blob], `Photo ${new Date().toLocaleString()}.jpg`, { type: "image/jpeg" });
}

function cameraProblem(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "This page may not use the camera. Allow it in the browser's address bar, then try again.";
  if (name === "NotFoundError") return "No camera was found. Choose a picture from your files instead.";
  if (name === "NotReadableError") return "Another program is using the camera.";
  if (name === "SecurityError") return "Browsers give a camera only to pages on this machine or over https.";
  return `The camera could not be opened: ${error instanceof Error ? error.message : String(error)}`;
}
