// The rows that llama.cpp's mtmd makes of one picture: llama-rows MMPROJ.gguf WIDTH HEIGHT RGB.bin OUT.float32
// The picture is of the tower's size already, so that nothing resizes it. Built against llama.cpp's own tools/mtmd; see
// README.md.
#include "clip.h"
#include "clip-impl.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

int main(int argc, char ** argv) {
    if (argc != 6) return 2;
    ggml_backend_load_all();
    clip_context_params params = {};
    params.use_gpu = false;
    params.flash_attn_type = CLIP_FLASH_ATTN_TYPE_DISABLED;
    params.image_min_tokens = -1;
    params.image_max_tokens = -1;
    params.warmup = false;
    clip_ctx * ctx = clip_init(argv[1], params).ctx_v;
    if (!ctx) return 1;
    std::ifstream file(argv[4], std::ios::binary);
    const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    clip_image_u8 picture;
    picture.set_size({std::atoi(argv[2]), std::atoi(argv[3])}, false);
    picture.cpy_buf(bytes);
    clip_image_f32 image;
    image.set_size(picture.get_size(), false, false);
    image.from_u8(picture);
    const float half[3] = {0.5f, 0.5f, 0.5f};
    image.normalize(half, half);
    std::vector<float> rows(size_t(clip_n_output_tokens(ctx, &image)) * clip_n_mmproj_embd(ctx));
    if (!clip_image_encode(ctx, 2, &image, rows)) return 1;
    std::ofstream(argv[5], std::ios::binary).write((const char *) rows.data(), rows.size() * sizeof(float));
    clip_free(ctx);
}
