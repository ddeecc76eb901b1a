#!/usr/bin/env bash
# WebGPU without a GPU: puts SwiftShader, a Vulkan driver that computes on the CPU, into a folder, and the Vulkan loader
# with it. Three files of one Debian package; none of the rest of Chromium is installed.
#   tools/swiftshader.sh FOLDER
#   LD_LIBRARY_PATH=FOLDER VK_ICD_FILENAMES=FOLDER/vk_swiftshader_icd.json npm test
set -euo pipefail
folder=${1:?usage: tools/swiftshader.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
[ -e vk_swiftshader_icd.json ] && exit 0
download() { apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root download chromium-common; }
# Lists that are missing, or that name a release which the archive has since replaced, are fetched first.
download 2>/dev/null || { apt-get -qq -o Acquire::Retries=3 update && download; }
dpkg --fsys-tarfile chromium-common_*.deb |
  tar x --strip-components=4 ./usr/lib/chromium/libvk_swiftshader.so ./usr/lib/chromium/libvulkan.so.1 ./usr/lib/chromium/vk_swiftshader_icd.json
rm chromium-common_*.deb
