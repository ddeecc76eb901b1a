// What llama.cpp's mtmd cuts pictures into: reads "width height" lines, writes one JSON line a picture and family.
// Built against llama.cpp's own tools/mtmd; see README.md.
#include "mtmd-image.h"

#include <algorithm>
#include <cstdio>

static clip_hparams current;

// The preprocessors ask for the parameters of a loaded model; these are set by hand instead.
const clip_hparams * clip_get_hparams(const clip_ctx *) { return &current; }

static void print(const char * family, int width, int height, const mtmd_image_preprocessor_llava_uhd::slice_instructions & plan) {
    std::printf("{\"family\": \"%s\", \"size\": [%d, %d], \"overview\": [%d, %d], \"refined\": [%d, %d], \"grid\": [%d, %d]}\n", family, width, height,
        plan.overview_size.width, plan.overview_size.height, plan.refined_size.width, plan.refined_size.height, plan.grid_size.width, plan.grid_size.height);
}

// Where a white picture lands in a square of 64, and how large it is there.
static void print_letterbox(int width, int height) {
    clip_image_u8 image;
    image.set_size({width, height}, false);
    image.cpy_buf(std::vector<uint8_t>((size_t) width * height * 3, 255));
    const auto out = mtmd_image_preprocessor_fixed_size(nullptr).preprocess(image);
    const auto & pixels = out.entries[0].get_ro_buf();
    int left = 64, top = 64, right = -1, bottom = -1;
    for (int y = 0; y < 64; y++) for (int x = 0; x < 64; x++) {
        if (pixels[(y * 64 + x) * 3] < 0.5f) continue;
        left = std::min(left, x); right = std::max(right, x); top = std::min(top, y); bottom = std::max(bottom, y);
    }
    std::printf("{\"family\": \"letterbox\", \"size\": [%d, %d], \"box\": [%d, %d, %d, %d]}\n", width, height, left, top, right - left + 1, bottom - top + 1);
}

int main() {
    int width, height;
    while (std::scanf("%d %d", &width, &height) == 2) {
        current = clip_hparams();
        current.image_size = 512;
        current.patch_size = 16;
        current.n_merge = 2;
        current.set_limit_image_tokens(64, 256);
        print("lfm2", width, height, mtmd_image_preprocessor_lfm2(nullptr).get_slice_instructions({width, height}));

        current = clip_hparams();
        current.image_size = 448;
        current.patch_size = 14;
        print("minicpm", width, height, mtmd_image_preprocessor_llava_uhd(nullptr).get_slice_instructions({width, height}));

        current = clip_hparams();
        current.image_size = 384;
        current.patch_size = 14;
        for (int rows = 1; rows <= 6; rows++) for (int columns = 1; columns <= 6; columns++) current.image_res_candidates.push_back({384 * columns, 384 * rows});
        print("onevision", width, height, mtmd_image_preprocessor_llava_uhd(nullptr).get_slice_instructions({width, height}));

        current = clip_hparams();
        current.image_size = 512;
        current.patch_size = 16;
        current.n_merge = 4;
        current.image_longest_edge = 2048;
        clip_image_u8 image;
        image.set_size({width, height}, true);
        const auto out = mtmd_image_preprocessor_idefics3(nullptr).preprocess(image);
        std::printf("{\"family\": \"idefics3\", \"size\": [%d, %d], \"grid\": [%d, %d], \"views\": %d}\n", width, height, out.grid_x, out.grid_y, (int) out.entries.size() + 1);

        current = clip_hparams();
        current.patch_size = 16;
        current.n_merge = 2;
        current.set_limit_image_tokens(8, 4096);
        const auto whole = mtmd_image_preprocessor_dyn_size(nullptr).preprocess(image).entries[0].get_size();
        std::printf("{\"family\": \"qwen3vl\", \"size\": [%d, %d], \"frame\": [%d, %d]}\n", width, height, whole.width, whole.height);

        if (width > 700 || height > 700) continue;
        current = clip_hparams();
        current.image_size = 64;
        for (int channel = 0; channel < 3; channel++) { current.image_mean[channel] = 0; current.image_std[channel] = 1; }
        print_letterbox(width, height);
    }
}
