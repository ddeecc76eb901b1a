/**
 * Names beyond objects.json that at least four of the training styles draw, spelt as the art sets spell them. The text
 * tower's tokenizer learns from them too, so that a label that the model was never shown still comes in few tokens.
 */
export const extraNames: readonly string[] = `
1st-place-medal abacus accordion adhesive-bandage admission-tickets aerial-tramway airplane-arrival
airplane-departure alarm-clock alembic alien alien-monster american-football amphora antenna-bars articulated-lorry
artist-palette auto-rickshaw axe baby-bottle baby-chick bacon badger badminton bagel baguette-bread balance-scale
ballet-shoes ballot-box-with-ballot banjo bank bar-chart barber-pole baseball basket basketball beach-with-umbrella
beans beaver beer-mug beetle bell-pepper bellhop-bell bento-box beverage-box bikini billed-cap biohazard
birthday-cake bison black-nib blossom blowfish blueberries bone bookmark-tabs books boomerang
bottle-with-popping-cork bouquet bowl-with-spoon bowling boxing-glove brain bread brick briefcase briefs broccoli
broken-chain broom bubble-tea bubbles bucket bug building-construction bullseye burrito bus-stop butter calendar
camera-with-flash camping canned-food canoe card-file-box card-index card-index-dividers carousel-horse
carp-streamer carpentry-saw chains chair check-box-with-check cheese-wedge cherry-blossom chess-pawn chestnut
children-crossing chipmunk chocolate-bar chopsticks christmas-tree cigarette cinema circus-tent clamp clapper-board
classical-building clinking-glasses clipboard clutch-bag coat cockroach cocktail-glass coconut coffin coin collision
comet compass computer-disk computer-mouse confetti-ball construction control-knobs convenience-store cooked-rice
cooking coral couch-and-lamp crayon credit-card cricket cricket-game crossed-swords crutch crystal-ball cucumber
cup-with-straw cupcake curling-stone currency-exchange curry-rice custard cut-of-meat cyclone dagger dango
dashing-away deciduous-tree delivery-truck department-store derelict-house desert desert-island desktop-computer
diving-mask diya-lamp dodo dollar-banknote donkey dotted-six-pointed-star drop-of-blood dumpling eagle electric-plug
elevator empty-nest euro-banknote evergreen-tree ewe eye eye-in-speech-bubble factory falafel fallen-leaf
fax-machine feather ferris-wheel field-hockey file-cabinet file-folder film-frames film-projector fire-engine
fire-extinguisher firecracker fireworks fish-cake-with-swirl fishing-pole flamingo flashlight flat-shoe flatbread
fleur-de-lis floppy-disk flower-playing-cards flute fly flying-disc flying-saucer fondue fork-and-knife
fork-and-knife-with-plate fortune-cookie fountain fountain-pen four-leaf-clover framed-picture french-fries
fried-shrimp front-facing-baby-chick fuel-pump funeral-urn game-die garlic gem-stone ginger-root giraffe
glass-of-milk gloves glowing-star goal-net goat goggles goose gorilla graduation-cap green-apple green-salad
hair-pick hammer-and-pick hammer-and-wrench hamsa handshake hatching-chick headphone headstone hedgehog herb
hibiscus high-heeled-shoe high-voltage hiking-boot hindu-temple hippopotamus honey-pot hook hospital hot-beverage
hot-dog hot-pepper hot-springs hotel hourglass house-with-garden houses hundred-points hut hyacinth ice ice-cream
ice-hockey ice-skate identification-card inbox-tray infinity jack-o-lantern japanese-castle japanese-dolls
japanese-post-office jar jeans jellyfish joker kaaba kangaroo keyboard khanda kick-scooter kimono kitchen-knife kite
kiwi-fruit knot lab-coat lacrosse ladder lady-beetle leaf-fluttering-in-wind leafy-green ledger level-slider lime
link linked-paperclips lipstick llama lobster long-drum lotion-bottle lotus love-hotel love-letter low-battery
luggage lungs magic-wand magnet magnifying-glass-tilted-left mahjong-red-dragon mammoth mango mans-shoe
mantelpiece-clock manual-wheelchair map-of-japan maple-leaf maracas martial-arts-uniform mate meat-on-bone
mechanical-arm mechanical-leg megaphone melon memo menorah metro microbe mirror mirror-ball moai mobile-phone
money-bag money-with-wings monorail moose mosque mosquito motor-boat motor-scooter motorized-wheelchair motorway
mount-fuji mountain mountain-cableway mountain-railway mouse-trap movie-camera musical-keyboard musical-note
musical-score muted-speaker nail-polish name-badge national-park nazar-amulet necktie nest-with-eggs nesting-dolls
newspaper notebook notebook-with-decorative-cover nut-and-bolt oden office-building ogre oil-drum olive onion
open-file-folder orangutan otter outbox-tray oyster page-facing-up page-with-curl pager palm-tree palms-up-together
pancakes paperclip parachute parrot party-popper passenger-ship paw-prints pea-pod peacock peanuts pen
performing-arts petri-dish pick pickup-truck pie pig-nose pile-of-poo pill pine-decoration ping-pong pistol placard
place-of-worship playground-slide plunger polar-bear police-car poodle pool-8-ball popcorn post-office postal-horn
postbox pot-of-food potable-water potato potted-plant poultry-leg pound-banknote pouring-liquid prayer-beads pretzel
printer pushpin puzzle-piece raccoon racing-car radio radioactive railway-car railway-track ram razor receipt
red-envelope red-paper-lantern red-triangle-pointed-down reminder-ribbon rescue-workers-helmet rhinoceros ribbon
rice-ball rice-cracker right-anger-bubble ring-buoy ringed-planet roasted-sweet-potato robot rock roll-of-paper
roller-coaster roller-skate rosette round-pushpin rugby-football running-shirt running-shoe safety-pin safety-vest
sake salt sandwich sari satellite satellite-antenna sauropod scarf school screwdriver scroll seal seat seedling
sewing-needle shallow-pan-of-food shark shaved-ice sheaf-of-rice shinto-shrine shooting-star shopping-bags
shopping-cart shortcake shorts shower shrimp skateboard skis skull-and-crossbones skunk sled slot-machine sloth
snow-capped-mountain soap soccer-ball socks soft-ice-cream softball spaghetti sparkler sparkles speech-balloon
spider-web spiral-calendar spiral-notepad spiral-shell sponge sport-utility-vehicle sports-medal stadium
star-and-crescent star-of-david station steaming-bowl stethoscope straight-ruler studio-microphone stuffed-flatbread
sushi suspension-railway swan sweat-droplets synagogue syringe t-rex t-shirt takeout-box tamale tanabata-tree
teacup-without-handle teapot tear-off-calendar teddy-bear telephone-receiver telescope tennis test-tube thermometer
thong-sandal thread ticket timer-clock tokyo-tower toolbox toothbrush top-hat tornado trackball triangular-ruler
trident-emblem trolleybus tropical-drink tropical-fish tumbler-glass turkey vibration-mode video-camera video-game
videocassette volcano volleyball waffle warning wastebasket water-buffalo water-pistol water-wave wheel
wheel-of-dharma white-cane white-flower wilted-flower wind-chime window wine-glass wing wolf womans-boot
womans-clothes womans-hat womans-sandal wood world-map worm wrapped-gift yarn yen-banknote yin-yang yo-yo zebra
`.trim().split(/\s+/);

/** An art-set name as text: hyphens become spaces. */
export function nameAsText(name: string): string {
  return name.replaceAll("-", " ");
}
