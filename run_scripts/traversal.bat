@echo off
rem Makes a video through all ages of each aligned portrait of a list.
rem The environment sets the variables below, and arguments are passed on: set MODEL=my_model, then
rem run_scripts\traversal.bat --help
setlocal
cd /d "%~dp0.."
if not defined VIRTUAL_ENV if exist .venv\Scripts\activate.bat call .venv\Scripts\activate.bat

if not defined GPU_IDS set GPU_IDS=0
if not defined MODEL set MODEL=males_model
if not defined EPOCH set EPOCH=latest
if not defined LIST set LIST=males_image_list.txt

python test.py --gpu_ids "%GPU_IDS%" --name "%MODEL%" --which_epoch "%EPOCH%" --display_id 0 --traverse ^
  --interp_step 0.05 --image_path_file "%LIST%" --make_video %*
